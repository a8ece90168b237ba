"""Queries that rewrite what is derived from stored bodies."""

from typing import Final

VERSIONS_AFTER: Final = """
WITH some AS (SELECT rid FROM resource WHERE rid > ? AND version > 0 ORDER BY rid LIMIT ?)
SELECT rid, version, 1 AS is_current, body FROM resource JOIN some USING (rid)
UNION ALL
SELECT rid, version, 0, body FROM version JOIN some USING (rid)
ORDER BY rid, version
"""

DERIVED: Final = """
SELECT rid, version, deleted, digest, targets, entries, body
FROM json_each(?) CROSS JOIN resource ON rid = value
"""

MASKED: Final = """
SELECT rid, facts, visibility, plan FROM json_each(?) CROSS JOIN access ON rid = value
"""

SET_DERIVED: Final = """
UPDATE resource SET digest = ?, targets = ?, entries = ?, body = ? WHERE rid = ?
"""

PAST_VERSION: Final = """
SELECT body, visibility, plan FROM version WHERE rid = ? AND version = ?
"""

SET_PAST_VERSION: Final = """
UPDATE version SET body = ?, visibility = ?, plan = ? WHERE rid = ? AND version = ?
"""

SET_MASKS_AND_PLAN: Final = """
UPDATE access SET visibility = ?, plan = ? WHERE rid = ?
"""
