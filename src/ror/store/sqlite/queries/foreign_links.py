"""
The links that only an address of another server gives.
"""

from typing import Final

FORGET: Final = """
DELETE FROM foreign_link
WHERE rid = ?
"""

KEEP: Final = """
INSERT INTO foreign_link (rid, target)
VALUES (?, ?)
"""

ALL: Final = """
SELECT rid, target
FROM foreign_link
"""
