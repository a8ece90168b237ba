"""
FHIR resources in XML: bytes to dictionaries and back, by the element tables.

Both directions keep everything: the digits of decimals, the order of repeated elements, the exact
text of a narrative, ids and extensions of primitive values. Dictionaries are those of FHIR JSON,
with numbers as int or `Decimal`. Source: FHIR R4, xml.html.

    elements  how each type is written in XML: names, order, attributes
    reading   XML to a dictionary; refuses what is not a resource in XML, and hostile documents
    writing   a dictionary, or a JSON body, to XML
"""

from ror.resources.xml.reading import NotFhirXml, read
from ror.resources.xml.writing import NotWritable, from_json, written

__all__ = ["NotFhirXml", "NotWritable", "from_json", "read", "written"]
