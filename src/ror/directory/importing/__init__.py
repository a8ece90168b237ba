"""
Bringing resources in from files, checked, and safe to run again.

    reading     the documents in files, folders and pipes
    running     prepares them in several processes, keeps them and counts what is durable
    references  where the references of an import lead

`directory.draft` makes a draft of one document, or says why not.
"""

from ror.directory.draft import Refusal, prepare
from ror.directory.importing.reading import Document, Place, documents
from ror.directory.importing.running import RefusedDocument, Report, check, run

__all__ = [
    "Document",
    "Place",
    "Refusal",
    "RefusedDocument",
    "Report",
    "check",
    "documents",
    "prepare",
    "run",
]
