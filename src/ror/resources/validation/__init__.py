"""
Whether a resource is valid FHIR R4, and what is wrong with it: structure, formats, required codes and invariants.

Two speeds, one meaning. `validate` first asks a fast gate, compiled from the element tables, which settles nearly every
resource of an import in some tens of microseconds; when the gate is not sure, the walk lists every issue with its path,
and the walk is right. Profiles and the terminologies of the guide are other rooms' business.

    gate         the fast half: functions compiled for the shapes of objects
    walk         the thorough half: every issue with its path
    rules        the invariants of each type, from the table of the standard
    predicates   FHIRPath invariants as Python functions
    expressions  FHIRPath invariants as trees
    values       what the primitive types accept

Resources are decoded JSON whose numbers are int or Decimal, never float: FHIR keeps the digits of a decimal.
"""

from ror.resources.validation.fast_check import MAX_DEPTH, is_surely_valid
from ror.resources.validation.full_check import MAX_ISSUES, Issue, all_issues

__all__ = ["MAX_DEPTH", "MAX_ISSUES", "Issue", "is_surely_valid", "validate"]


def validate(resource: object) -> list[Issue]:
    """
    What is wrong with a decoded resource, an empty list when nothing is.

    >>> [issue] = validate({"resourceType": "Organization", "nme": "CHU de Brest", "name": "CHU"})
    >>> issue.path, issue.text("en")
    ('Organization.nme', 'Organization has no element "nme"; try "name".')
    """
    return [] if is_surely_valid(resource) else all_issues(resource)
