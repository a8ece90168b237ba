"""
Resources and their versions.
"""

from typing import Final

READ: Final = """
SELECT resource.rid, version, last_updated, source_updated, deleted, body, visibility, plan
FROM resource
JOIN access ON access.rid = resource.rid
WHERE type = (SELECT code FROM type WHERE name = ?) AND id = ? AND version > 0
"""

READ_VERSION: Final = """
SELECT resource.rid, version, last_updated, source_updated, deleted, body, visibility, plan
FROM resource
JOIN access ON access.rid = resource.rid
WHERE resource.rid = ?1 AND version = ?2 AND version > 0
UNION ALL
SELECT rid, version, last_updated, source_updated, deleted, body, visibility, plan
FROM version
WHERE rid = ?1 AND version = ?2
"""

HISTORY: Final = """
SELECT version, last_updated, source_updated, author, deleted
FROM resource
WHERE rid = ?1 AND version > 0
UNION ALL
SELECT version, last_updated, source_updated, author, deleted
FROM version
WHERE rid = ?1
ORDER BY version DESC
"""

BODIES: Final = """
SELECT resource.rid, body, visibility, plan, version, last_updated
FROM json_each(?)
CROSS JOIN resource ON resource.rid = value
JOIN access ON access.rid = value
WHERE body IS NOT NULL
"""

RID: Final = """
SELECT rid
FROM resource
WHERE type = (SELECT code FROM type WHERE name = ?) AND id = ?
"""

INDEX_ROWS: Final = """
SELECT resource.rid, resource.type, resource.id, last_updated, deleted, entries,
  targets, facts, visibility
FROM json_each(?)
CROSS JOIN resource ON resource.rid = value
JOIN access ON access.rid = value
WHERE version > 0
"""

ALL_INDEX_ROWS: Final = """
SELECT resource.rid, resource.type, resource.id, last_updated, deleted, entries,
  targets, facts, visibility
FROM resource
JOIN access ON access.rid = resource.rid
WHERE body IS NOT NULL
ORDER BY resource.rid
"""

COUNTS: Final = """
SELECT name, heard_of - coalesce(without_body, 0) AS live
FROM type
JOIN (
  SELECT type, count(*) AS heard_of
  FROM resource
  GROUP BY type
) ON type = code
LEFT JOIN (
  SELECT type AS absent_type, count(*) AS without_body
  FROM resource
  WHERE body IS NULL
  GROUP BY type
) ON absent_type = code
WHERE live > 0
ORDER BY code
"""

ABSENT: Final = """
SELECT rid
FROM resource
WHERE body IS NULL
"""

TARGETS_SINCE: Final = """
SELECT rid, targets
FROM resource
WHERE body IS NOT NULL AND (?1 = 0 OR rid IN (SELECT rid FROM change WHERE seq > ?1))
ORDER BY rid
"""

NAMES: Final = """
SELECT rid, name, resource.id
FROM json_each(?)
CROSS JOIN resource ON rid = value
JOIN type ON code = resource.type
"""

TYPES: Final = """
SELECT code, name
FROM type
"""

CREATE: Final = """
INSERT INTO resource (rid, type, id, version, last_updated, source_updated, author,
  deleted, digest, targets, entries, body)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)
"""

REFER: Final = """
INSERT INTO resource (rid, type, id, version, last_updated, source_updated, author, deleted)
VALUES (?, ?, ?, 0, 0, 0, '', 0)
"""

UPDATE: Final = """
UPDATE resource
SET version = ?, last_updated = ?, source_updated = ?, author = ?, deleted = 0,
  digest = ?, targets = ?, entries = ?, body = ?
WHERE rid = ?
"""

NOTE_SOURCE_DATE: Final = """
UPDATE resource
SET source_updated = ?
WHERE rid = ?
"""

# What is only referred to has no version to keep.
SUPERSEDE: Final = """
INSERT INTO version
  (rid, version, last_updated, source_updated, author, deleted, body, visibility, plan)
SELECT rid, version, last_updated, source_updated, author, deleted, body, visibility, plan
FROM resource
JOIN access USING (rid)
WHERE rid = ? AND version > 0
"""

ADD_TYPE: Final = """
INSERT INTO type (name)
VALUES (?)
ON CONFLICT DO NOTHING
"""

TYPE: Final = """
SELECT code
FROM type
WHERE name = ?
"""

RIDS: Final = """
SELECT resource.id, rid
FROM json_each(?)
CROSS JOIN resource ON resource.type = ? AND resource.id = value
"""

HIGHEST_RID: Final = """
SELECT max(rid)
FROM resource
"""

CURRENT: Final = """
SELECT rid, version, digest, last_updated, source_updated
FROM json_each(?)
CROSS JOIN resource ON rid = value
"""

LIVE: Final = """
SELECT rid, version
FROM resource
WHERE type = (SELECT code FROM type WHERE name = ?) AND id = ? AND body IS NOT NULL
"""

DELETE: Final = """
UPDATE resource
SET version = ?, last_updated = ?, source_updated = 0, author = ?, deleted = 1,
  digest = NULL, targets = NULL, entries = NULL, body = NULL
WHERE rid = ?
"""

TARGETS: Final = """
SELECT rid, targets
FROM json_each(?)
CROSS JOIN resource ON rid = value
"""
