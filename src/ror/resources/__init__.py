"""
Pure work on one resource.

    validation/     the issues of a resource that is not valid FHIR R4
    repeated_names  the repeated names of a JSON object
    subset          the part of a resource that `_elements` and `_summary` select
    versions        `versionId` and `lastUpdated` in its `meta`
    xml/            the same resource in XML, both ways
    bundles         the bytes of Bundles and OperationOutcomes
"""
