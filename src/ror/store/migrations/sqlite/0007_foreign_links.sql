-- The links that only an address of another server gives: they matter for access, and are not dangling.
CREATE TABLE foreign_link (
  rid INTEGER NOT NULL,
  target INTEGER NOT NULL,
  PRIMARY KEY (rid, target)
) STRICT, WITHOUT ROWID;
