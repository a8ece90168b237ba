"""
The HTTP service: FHIR and what its operators need.

    accounts       figures and audit lines of calls, in batches
    addresses      raw characters in addresses
    allowances     rate limits of callers
    authorisation  the token endpoint and its documents
    callers        the caller of a request
    compression    gzip and zstd
    door           from a request to a response
    exchange       a request and its response
    memory         memory settings of the process
    negotiation    formats and encodings
    operators      who may read metrics
    protocol       the HTTP protocol: limits, raw addresses, certificates
    proxies        headers of trusted proxies
    refusing       errors as responses
    routes         the routes and what each answers
    serving        the server process and its workers
    tls            TLS settings
    tracing        audit records of calls
"""

from ror.http.serving import create_app, serve

__all__ = ["create_app", "serve"]
