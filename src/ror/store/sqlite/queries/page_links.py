"""
The stored queries of page links.
"""

from typing import Final

KEEP: Final = """
INSERT INTO stored_query (id, client, used_at, query)
VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET used_at = excluded.used_at
"""

FORGET_OLD: Final = """
DELETE FROM stored_query
WHERE used_at < ?
"""

FORGET_BEYOND: Final = """
DELETE FROM stored_query
WHERE id IN (
  SELECT id
  FROM stored_query
  WHERE client = ?
  ORDER BY used_at DESC, rowid DESC
  LIMIT -1 OFFSET ?
)
"""

IS_RECENT: Final = """
SELECT 1
FROM stored_query
WHERE id = ? AND used_at > ?
"""

GET: Final = """
SELECT id, client, query
FROM stored_query
WHERE id = ? AND used_at >= ?
"""
