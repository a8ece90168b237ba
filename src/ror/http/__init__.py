"""The HTTP door: the FHIR service and what its operators need, on a socket."""

from ror.http.serving import create_app, serve

__all__ = ["create_app", "serve"]
