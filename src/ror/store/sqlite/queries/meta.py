"""
Single values of the directory, and its compression dictionaries.
"""

from typing import Final

SET: Final = """
INSERT INTO meta
VALUES (?, ?)
ON CONFLICT DO UPDATE
SET value = excluded.value
"""

SETTLE: Final = """
INSERT INTO meta
VALUES (?, ?)
ON CONFLICT DO NOTHING
"""

GET: Final = """
SELECT value
FROM meta
WHERE key = ?
"""

ALL: Final = """
SELECT key, value
FROM meta
"""

DICTIONARY: Final = """
SELECT content
FROM dictionary
WHERE id = ?
"""

NEWEST_DICTIONARY: Final = """
SELECT content
FROM dictionary
ORDER BY recorded_at DESC
LIMIT 1
"""

ADD_DICTIONARY: Final = """
INSERT INTO dictionary
VALUES (?, ?, ?)
ON CONFLICT DO NOTHING
"""

REMOVE: Final = """
DELETE FROM meta
WHERE key = ?
"""
