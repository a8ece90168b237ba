"""Who is asking, and what may they see?"""

from ror.access.viewers import SEES_EVERYTHING, Perimeter, Viewer, anonymous_viewer

__all__ = ["SEES_EVERYTHING", "Perimeter", "Viewer", "anonymous_viewer"]
