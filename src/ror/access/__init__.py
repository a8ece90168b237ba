"""
The resources, and the parts of resources, that a viewer may see.

    viewers     the viewer: an access profile and a perimeter
    facts       facts about linked offers that the policy depends on
    policy      the access matrix, evaluated
    parts       the governed parts of a resource
    cutting     a body without its hidden parts
    references  references to hidden resources
    governed    the extensions that a rule governs, however their URL is spelled
    misplaced   governed extensions that no rule would find
    unknown_extensions  extensions that neither a rule nor the guide knows
"""

from ror.access.viewers import OPEN_DATA, SEES_EVERYTHING, Perimeter, Viewer, anonymous_viewer

__all__ = ["OPEN_DATA", "SEES_EVERYTHING", "Perimeter", "Viewer", "anonymous_viewer"]
