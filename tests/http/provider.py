"""
An identity provider in a process of its own: it publishes keys over HTTP and signs what it is told
to.

`GET /jwks` gives the keys, `POST /sign` a token, `POST /behave` says how keys are given from now
on: `well`, `badly` (500), `nonsense`, `elsewhere` (a redirection), `slowly`; `POST /rotate`
replaces the key of each kind by another one.
"""

import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

KINDS = ("ec", "rsa", "other-ec")


@dataclass
class Provider:
    """A provider that runs."""

    port: int
    session: requests.Session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/platform"

    def sign(self, claims: dict[str, Any] | None = None, **how: Any) -> str:
        """
        A token as Keycloak gives them to clients, with these claims changed; None takes one away.
        """
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "aud": ["ror", "account"],
            "azp": "public",
            "iat": now,
            "exp": now + 300,
        }
        wanted = {
            name: value for name, value in {**usual, **(claims or {})}.items() if value is not None
        }
        return self._post("sign", {"claims": wanted, **how})

    def behave(self, how: str) -> None:
        self._post("behave", how)

    def rotate(self) -> None:
        self._post("rotate", "")

    def asked(self) -> int:
        """How often keys were asked for."""
        return int(self._post("asked", ""))

    def _post(self, what: str, told: object) -> str:
        answer = self.session.post(f"{self.url}/{what}", json=told, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.text


@contextmanager
def running() -> Iterator[Provider]:
    """A provider, until the end of the block."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with requests.Session() as session:
        session.trust_env = False
        try:
            yield Provider(int(process.stdout.readline()), session)
        finally:
            process.kill()
            process.communicate()


# --- in the process -------------------------------------------------------------------------------


class State:
    """What the provider knows."""

    def __init__(self) -> None:
        self.how, self.asked, self.generation = "well", 0, 0
        self.rotate()

    def rotate(self) -> None:
        self.generation += 1
        self.keys: dict[str, Any] = {
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "rsa": rsa.generate_private_key(65_537, 2_048),
            "other-ec": ec.generate_private_key(ec.SECP256R1()),
        }

    def kid(self, kind: str) -> str:
        return f"{kind}-{self.generation}"

    def jwks(self) -> dict[str, Any]:
        """The public keys, with some that nobody should use."""
        listed = []
        for kind, key in self.keys.items():
            of_kind = RSAAlgorithm if kind == "rsa" else ECAlgorithm
            listed.append(
                {
                    **json.loads(of_kind.to_jwk(key.public_key())),
                    "kid": self.kid(kind),
                    "use": "sig",
                }
            )
        shared = {
            "kty": "oct",
            "k": base64.urlsafe_b64encode(b"shared" * 8).decode(),
            "kid": "shared",
        }
        short = json.loads(
            RSAAlgorithm.to_jwk(rsa.generate_private_key(65_537, 1_024).public_key())
        )
        return {
            "keys": [
                *listed,
                shared,
                {**short, "kid": "short"},
                {"kty": "EC", "kid": "torn"},
                {"kid": "empty"},
            ]
        }

    def sign(
        self,
        claims: dict[str, Any],
        kind: str = "ec",
        algorithm: str = "ES256",
        kid: str | None = None,
        header: dict[str, Any] | None = None,
    ) -> str:
        named = {"kid": kid or self.kid(kind), "typ": "JWT", **(header or {})}
        if algorithm == "none":
            return f"{_part({**named, 'alg': 'none'})}.{_part(claims)}."
        key = self.keys[kind]
        if algorithm == "HS256":
            return self._with_public_key_as_secret(claims, named, key)
        return jwt.encode(claims, key, algorithm=algorithm, headers=named)

    def _with_public_key_as_secret(
        self, claims: dict[str, Any], named: dict[str, Any], key: Any
    ) -> str:
        pem = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        signed = f"{_part({**named, 'alg': 'HS256'})}.{_part(claims)}"
        signature = hmac.new(pem, signed.encode(), sha256).digest()
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    state: State

    def do_GET(self) -> None:
        self.state.asked += 1
        match self.state.how:
            case "well":
                self._answer(200, json.dumps(self.state.jwks()))
            case "badly":
                self._answer(500, "")
            case "nonsense":
                self._answer(200, "<html>Welcome</html>")
            case "elsewhere":
                self._answer(302, "", ("Location", "/jwks-of-another"))
            case "slowly":
                time.sleep(300)

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.path:
            case "/sign":
                self._answer(200, self.state.sign(**told))
            case "/behave":
                self.state.how = told
                self._answer(200, "")
            case "/rotate":
                self.state.rotate()
                self._answer(200, "")
            case "/asked":
                self._answer(200, str(self.state.asked))

    def _answer(self, status: int, body: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    Handler.state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
