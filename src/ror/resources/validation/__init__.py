"""
The validation of resources against FHIR R4: structure, formats, required codes and invariants.

Two checks apply the same rules. `validate` first runs a fast check, compiled from the element
tables, which accepts nearly every resource of an import in some tens of microseconds. If it is not
sure, the full check lists every issue with its path and decides. The profiles and the value sets of
the guide are not checked here.

    fast_check   functions compiled for the shapes of objects
    full_check   every issue with its path
    invariants   the invariants of each type, from the table of FHIR
    predicates   FHIRPath invariants as Python functions
    expressions  FHIRPath invariants as trees
    values       the values that the primitive types accept

Resources are decoded JSON whose numbers are int or Decimal, never float: FHIR keeps the digits of a
decimal.
"""

from ror.resources.validation.fast_check import MAX_DEPTH, is_surely_valid
from ror.resources.validation.full_check import MAX_ISSUES, Issue, all_issues

__all__ = ["MAX_DEPTH", "MAX_ISSUES", "Issue", "is_surely_valid", "validate"]


def validate(resource: object) -> list[Issue]:
    """
    The issues of a decoded resource; an empty list if it is valid.

    >>> [issue] = validate({"resourceType": "Organization", "nme": "CHU de Brest", "name": "CHU"})
    >>> issue.path, issue.text("en")
    ('Organization.nme', 'Organization has no element "nme"; try "name".')
    """
    return [] if is_surely_valid(resource) else all_issues(resource)
