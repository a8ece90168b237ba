"""
What FHIR, the ROR guide and the nomenclatures say, as data and as functions.

    knowledge/   the tables that ship with the project
    definitions  resource types, elements, search parameters and profiles
    terminology  code systems, value sets and their labels
    geography    communes, their positions and distances
    fhirpath     the steps of a FHIRPath expression and the types it reaches
    instants     the unit of stored instants
    references   what a FHIR reference is and which resource it names
"""
