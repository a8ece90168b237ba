"""
Importing resources from files; running an import again is safe.

    reading     the documents in files, folders and pipes
    running     prepares documents in several processes, stores them and counts durable results
    references  the targets of the references of an import

`directory.draft` makes the draft of one document, or refuses it.
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
