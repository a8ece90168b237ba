"""
What FHIR, the ROR guide and the nomenclatures say, as data and as functions.

    knowledge/   the tables that ship with the project
    definitions  resource types, elements, search parameters and profiles
    terminology  questions about codes: labels, value sets, systems
    editions     an edition of the codes, made from tables
    geography    communes, their positions and distances
    fhirpath     the steps of a FHIRPath expression and the types it reaches
    bindings     the nomenclatures that a search parameter takes its codes from
    instants     the unit of stored instants
    references   what a FHIR reference is and which resource it names
"""
