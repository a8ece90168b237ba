-- Who may see what, compiled when something is written: see `ror.access`.

-- `own` are the facts that the resource gives, `facts` those that hold for it, its own included. `shades` is pairs of
-- bytes, a code and its mask of profiles: first the pair of the resource, then those of its governed parts. `plan` says
-- where these parts stand in the body; NULL when there is none. What was deleted keeps its last row.
CREATE TABLE access (
  rid INTEGER PRIMARY KEY,
  own INTEGER NOT NULL,
  facts INTEGER NOT NULL,
  shades BLOB NOT NULL,
  plan BLOB
) STRICT;

-- The facts of `source` hold for `target` too.
CREATE TABLE influence (
  target INTEGER NOT NULL,
  source INTEGER NOT NULL,
  PRIMARY KEY (target, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX influenced ON influence (source);

-- A superseded version keeps the masks and the plan that it had.
ALTER TABLE version ADD COLUMN shades BLOB;
ALTER TABLE version ADD COLUMN plan BLOB;
