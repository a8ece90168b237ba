"""Who is asking, and what may they see?"""

from ror.access.viewers import OPEN_DATA, SEES_EVERYTHING, Perimeter, Viewer, anonymous_viewer

__all__ = ["OPEN_DATA", "SEES_EVERYTHING", "Perimeter", "Viewer", "anonymous_viewer"]
