"""
Pure work on one resource.

    validation/     is it valid FHIR R4, and where is it not
    repeated_names  the names that stand twice in one JSON object
    subset          the part of it that `_elements` and `_summary` leave
    versions        `versionId` and `lastUpdated` in its `meta`
    bundles         the bytes of Bundles and OperationOutcomes
"""
