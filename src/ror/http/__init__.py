"""
The HTTP service: FHIR, tokens, health and metrics.

    addresses        hosts, paths and parameters, decoded strictly
    application      the ASGI application: one exchange for each request
    authorisation    the routes of the token endpoint
    callers          the caller of a request
    compression      gzip and zstd
    dispatch         from a request to a response
    error_responses  the response to an error
    etags            entity tags and dates of versions
    exchange         requests, responses, routes, callers
    forms            the body of a form
    lifespan         opens and closes the directory
    memory           memory settings of the process
    negotiation      formats, codings and preferences
    operators        who may read metrics
    protocol         HTTP/1.1 on a connection, with its limits
    proxies          headers of trusted proxies
    rate_limits      rate limits of callers
    reporting        metrics and audit records, in batches
    routes           the routes and what each answers
    send             headers and coding of a response
    serving          the server process and its workers
    tls              TLS settings
    tracing          audit records of requests
"""

from ror.http.serving import create_app, serve

__all__ = ["create_app", "serve"]
