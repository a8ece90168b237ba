"""
The change log.
"""

from typing import Final

NEWEST_SEQ: Final = """
SELECT max(seq)
FROM change
"""

INSTANT: Final = """
SELECT recorded_at
FROM change
WHERE seq = ?
"""

AFTER: Final = """
SELECT seq, rid, version, deleted, recorded_at
FROM change
WHERE seq > ?
ORDER BY seq
LIMIT ?
"""

NEWEST: Final = """
SELECT seq, recorded_at
FROM change
ORDER BY seq DESC
LIMIT 1
"""

ADD: Final = """
INSERT INTO change (rid, version, deleted, recorded_at)
VALUES (?, ?, ?, ?)
"""

ADD_WITHOUT_VERSION: Final = """
INSERT INTO change (rid, version, deleted, recorded_at)
SELECT rid, version, deleted, ?2
FROM resource
WHERE rid = ?1 AND version > 0
"""
