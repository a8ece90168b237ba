"""
The values that FHIRPath selects, by an engine written by others: what our own walkers are compared
with.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fhirpathpy
from fhirpathpy.models import models

from ror.standard.definitions import search_parameters


@cache
def _compiled(expression: str, resource_type: str) -> Callable[[Any], list[Any]]:
    # Search parameters are written in the older manner: `as` on collections, and `Resource` for any
    # type.
    expression = re.sub(r"\.as\(", ".ofType(", expression)
    expression = re.sub(r"\(([\w.]+) as (\w+)\)", r"\1.ofType(\2)", expression)
    expression = re.sub(r"^Resource\b", resource_type, expression)
    return fhirpathpy.compile(expression, model=models["r4"])


def selected(resource: Mapping[str, Any], param: str) -> list[Any]:
    """
    What the expression of a search parameter selects in a resource; none when it has no expression.
    """
    resource_type = resource["resourceType"]
    parameter = search_parameters(resource_type)[param]
    return _compiled(parameter.expression, resource_type)(resource) if parameter.expression else []
