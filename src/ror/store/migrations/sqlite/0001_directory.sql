-- The directory: resources, their superseded versions, the change log, and what makes the file self-contained.
-- 0x524F5221, "ROR!": says whose file this is before anything is read from it.
PRAGMA application_id = 1380930081;

CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Frames of `body` and `entries` name their dictionary; the newest one compresses.
CREATE TABLE dictionary (
  id INTEGER PRIMARY KEY,
  recorded_at INTEGER NOT NULL,
  content BLOB NOT NULL
) STRICT;

CREATE TABLE type (
  code INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- One row per resource ever heard of, its current version inline. Version 0: only referred to.
-- Absent means without body: never seen, or deleted. Instants are microseconds since the epoch, UTC.
-- `targets` is a sequence of 4-byte little-endian rids. Small columns come first, so that reading them never
-- touches the overflow pages of a large body. There are no foreign keys: rids and codes are allotted in the same
-- transaction and never removed, and checking that again would cost a lookup per row.
CREATE TABLE resource (
  rid INTEGER PRIMARY KEY,
  type INTEGER NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  last_updated INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  author TEXT NOT NULL,
  deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
  digest BLOB,
  targets BLOB,
  entries BLOB,
  body BLOB,
  UNIQUE (type, id)
) STRICT;

-- Counting live resources is counting all of them in the index of `UNIQUE`, less these.
CREATE INDEX absent ON resource (type) WHERE body IS NULL;

CREATE TABLE version (
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL,
  last_updated INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  author TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  body BLOB,
  UNIQUE (rid, version)
) STRICT;

-- AUTOINCREMENT: a seq is never given twice, even once the oldest lines have been pruned.
CREATE TABLE change (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL,
  deleted INTEGER NOT NULL
) STRICT;

CREATE TABLE job (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  parameters TEXT NOT NULL,
  progress TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  claimed_by TEXT,
  heartbeat_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX job_to_claim ON job (state, created_at);
