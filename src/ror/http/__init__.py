"""
The HTTP service: FHIR, tokens, health and metrics.

    addresses        hosts, paths and parameters, decoded strictly
    application      the ASGI application: one exchange for each request
    authorisation    the routes of the token endpoint
    callers          the caller of a request
    compression      gzip and zstd
    connections      the connections of a process, and how many it may hold
    dispatch         from a request to a response
    error_responses  the response to an error
    etags            entity tags and dates of versions
    evaluation       searches within a budget, in the event loop or in threads
    exchange         requests, responses, routes, callers
    forms            the body of a form
    gathering        a transport that writes bodies in pieces
    lifespan         opens and closes the directory
    memory           memory settings of the process
    negotiation      formats, codings and preferences
    operators        who may read metrics
    outgoing         responses that wait for clients to read them
    protocol         HTTP/1.1 on a connection, with its limits
    proxies          headers of trusted proxies
    rate_limits      rate limits of callers
    representation   the body of a response in XML, or indented
    reporting        metrics and audit records, in batches
    reloading        files that an operator renews under a running server
    routes           the routes and what each answers
    secret_checks    client secrets, checked in turn and limited when they are wrong
    send             headers and coding of a response
    server           the server of one process
    serving          one process, or several behind one socket
    signals          signals of the server's processes
    supervisor       runs workers and passes connections to them
    tls              TLS settings
    tracing          audit records of requests
    worker           a worker process
"""

from ror.http.serving import serve

__all__ = ["serve"]
