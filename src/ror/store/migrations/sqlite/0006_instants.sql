-- `meta.lastUpdated` is the instant at which this directory recorded a version (decision 31 in docs/decisions).
-- What was called `last_updated` is the date that the source gave: it is kept beside the version, 0 when there is none.
ALTER TABLE resource RENAME COLUMN last_updated TO source_updated;
ALTER TABLE resource RENAME COLUMN recorded_at TO last_updated;
ALTER TABLE version RENAME COLUMN last_updated TO source_updated;
ALTER TABLE version RENAME COLUMN recorded_at TO last_updated;

-- A deletion is decided here: no source dates it.
UPDATE resource SET source_updated = 0 WHERE deleted;
UPDATE version SET source_updated = 0 WHERE deleted;

-- The instant of each line of the change log; it never decreases from one line to the next.
ALTER TABLE change ADD COLUMN recorded_at INTEGER NOT NULL DEFAULT 0;

UPDATE change SET recorded_at = coalesce(
  (SELECT last_updated FROM version WHERE version.rid = change.rid AND version.version = change.version),
  (SELECT last_updated FROM resource WHERE resource.rid = change.rid)
);

-- What is issued next is compared with the newest line only.
UPDATE change SET recorded_at = (SELECT max(last_updated) FROM resource)
WHERE seq = (SELECT max(seq) FROM change);
