"""
Masks, and the facts that travel between resources.
"""

from typing import Final

# SQLite has no aggregate "or": there is one term for each bit of the facts.
GATHER_FACTS: Final = """
SELECT target,
  max(facts & 1) | max(facts & 2) | max(facts & 4) | max(facts & 8)
  | max(facts & 16) | max(facts & 32) | max(facts & 64)
FROM json_each(?)
CROSS JOIN influence ON target = value
JOIN access ON rid = source
GROUP BY target
"""

LINKS_ABOVE: Final = """
WITH RECURSIVE above (rid) AS (
  SELECT value
  FROM json_each(?)
  UNION
  SELECT target
  FROM influence
  JOIN above ON source = rid
)
SELECT source, target
FROM above
JOIN influence ON source = rid
"""

ADD_INFLUENCE: Final = """
INSERT OR IGNORE INTO influence (target, source)
VALUES (?, ?)
"""

KEEP: Final = """
INSERT INTO access (rid, own, facts, visibility, plan)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE
SET own = excluded.own, facts = excluded.facts,
    visibility = excluded.visibility, plan = excluded.plan
"""

TAKE_BACK_FACTS: Final = """
UPDATE access
SET own = 0, facts = 0
WHERE rid = ?
"""

TO_MASK_AGAIN: Final = """
SELECT access.rid, facts, visibility
FROM access
JOIN resource ON resource.rid = access.rid
WHERE access.rid > ? AND NOT resource.deleted
ORDER BY access.rid
LIMIT ?
"""

SET_MASKS: Final = """
UPDATE access
SET visibility = ?
WHERE rid = ?
"""

FORGET_INFLUENCE: Final = """
DELETE FROM influence
WHERE target = ?1
  AND source = ?2
  AND ?3 = (
    (
      SELECT name
      FROM type
      JOIN resource ON type.code = resource.type
      WHERE rid = ?1
    ) = 'PractitionerRole'
  )
"""

OWN_FACTS: Final = """
SELECT rid, own, visibility
FROM json_each(?)
CROSS JOIN access ON rid = value
"""

RESET_FACTS: Final = """
UPDATE access
SET facts = own, visibility = ?
WHERE rid = ?
"""

TO_SPREAD: Final = """
SELECT access.rid, own, facts, visibility
FROM json_each(?)
CROSS JOIN access ON access.rid = value
CROSS JOIN resource ON resource.rid = value
WHERE NOT resource.deleted
"""

SET_FACTS: Final = """
UPDATE access
SET facts = ?, visibility = ?
WHERE rid = ?
"""

VISIBILITY: Final = """
SELECT rid, facts, visibility, plan
FROM json_each(?)
CROSS JOIN access ON rid = value
"""

NOTE_CHANGED: Final = """
INSERT INTO meta
SELECT ?, max(seq)
FROM change
WHERE true
ON CONFLICT DO UPDATE
SET value = excluded.value
"""

REACHED: Final = """
SELECT DISTINCT target
FROM json_each(?)
CROSS JOIN influence ON source = value
"""
