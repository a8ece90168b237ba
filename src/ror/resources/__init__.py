"""
Pure work on one resource.

    validation/  is it valid FHIR R4, and where is it not
    subset       the part of it that `_elements` and `_summary` leave
    bundles      the bytes of Bundles and OperationOutcomes
"""
