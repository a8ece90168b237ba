"""
Long work as rows.
"""

from typing import Final

ADD: Final = """
INSERT INTO job (id, kind, asked_by, state, parameters, progress, created_at, updated_at)
VALUES (?, ?, ?, 'waiting', ?, '{}', ?, ?)
"""

CLAIM: Final = """
UPDATE job
SET state = 'running', claimed_by = ?1, heartbeat_at = ?2, updated_at = ?2
WHERE id = (
  SELECT id
  FROM job
  WHERE kind IN (SELECT value FROM json_each(?3))
    AND (state = 'waiting' OR (state = 'running' AND heartbeat_at <= ?4))
  ORDER BY created_at, id
  LIMIT 1
)
RETURNING id, kind, asked_by, state, parameters, progress, created_at, updated_at,
  claimed_by, heartbeat_at
"""

BEAT: Final = """
UPDATE job
SET progress = ?, heartbeat_at = ?, updated_at = ?
WHERE id = ? AND claimed_by = ? AND state = 'running'
"""

END: Final = """
UPDATE job
SET state = ?, progress = ?, updated_at = ?
WHERE id = ? AND claimed_by = ? AND state = 'running'
"""

CANCEL: Final = """
UPDATE job
SET state = 'cancelled', updated_at = ?
WHERE id = ? AND state IN ('waiting', 'running')
"""

RESUME: Final = """
UPDATE job
SET state = 'waiting', claimed_by = NULL, heartbeat_at = NULL, updated_at = ?
WHERE id = ? AND state IN ('failed', 'cancelled')
"""

GET: Final = """
SELECT id, kind, asked_by, state, parameters, progress, created_at, updated_at,
  claimed_by, heartbeat_at
FROM job
WHERE id = ?
"""
