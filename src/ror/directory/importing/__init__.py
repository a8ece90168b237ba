"""
Bringing resources in from files, at once, checked and safe to run again.

`reading` finds documents in files, folders and pipes; `preparing` makes one of them a draft or says why not; `running`
spreads that work over processes and keeps the drafts. What was kept is durable before it is counted.
"""

from ror.directory.draft import Refusal, prepare
from ror.directory.importing.reading import Document, Place, documents
from ror.directory.importing.running import Refused, Report, check, run

__all__ = [
    "Document",
    "Place",
    "Refusal",
    "Refused",
    "Report",
    "check",
    "documents",
    "prepare",
    "run",
]
