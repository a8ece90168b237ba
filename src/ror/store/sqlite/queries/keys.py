"""
Signing keys.
"""

from typing import Final

ALL: Final = """
SELECT kid, created_at, jwk
FROM signing_key
ORDER BY seq
"""

NEWEST: Final = """
SELECT kid
FROM signing_key
ORDER BY seq DESC
LIMIT 1
"""

ADD: Final = """
INSERT INTO signing_key (kid, created_at, jwk)
VALUES (?, ?, ?)
"""

REMOVE: Final = """
DELETE FROM signing_key
WHERE kid = ?
"""

LAST_CHANGE: Final = """
SELECT coalesce(max(seq), 0)
FROM signing_key
"""
