"""
The audit trail: what is recorded of each call and each act of management.

    records     the record of a call
    events      records as FHIR AuditEvents
    chain       the hash chain of records
    digests     the signed digest of each day
    pseudonyms  search values that must not be readable
    acts        recording acts of management
    trail/      the files of the trail: writing, reading, verifying
"""
