"""
The ceiling: a server that does nothing but send, on the very path of the real one.

Same uvicorn, same protocol class, same settings, same shape of ASGI application; but every answer, head and body, was
recorded before and is sent from memory. No server written on this path can be faster, so a rate divided by the rate of
the ceiling says how much of the time is spent on HTTP, and how much on the directory, whatever the machine.
"""

import pickle
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from ror.http.door import Door, Receive, Scope, Send

from benchmarks.recording import Answer
from ror.http.serving import uvicorn_config
from ror.observability import Log, adopt_library_logs
from ror.settings import Settings


class Ceiling(Door):
    """Answers each target with what was recorded for it; a `Door`, because the protocol asks it for its limits."""

    def __init__(self, settings: Settings, log: Log, answers: Mapping[str, Answer]) -> None:
        super().__init__(settings, log)
        self._answers = {target.encode(): answer for target, answer in answers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] == "lifespan":
            for done in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{done}.complete"})
            return
        query = scope["query_string"]
        answer = self._answers[scope["raw_path"] + (b"?" + query if query else b"")]
        await send({"type": "http.response.start", "status": 200, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})


def save(answers: Mapping[str, Answer], path: Path) -> None:
    """Write recorded answers, by target, for the process of the ceiling."""
    path.write_bytes(
        pickle.dumps({target: (one.headers, one.body) for target, one in answers.items()})
    )


def serve(path: Path) -> None:
    """Serve the answers of a file until told to stop; the start-up line says where."""
    settings, log = Settings(port=0, anonymous_profile=1), Log("json")
    adopt_library_logs(log)
    recorded = pickle.loads(path.read_bytes())  # noqa: S301 our own file, of this very run
    app = Ceiling(settings, log, {target: Answer(*parts) for target, parts in recorded.items()})
    with socket.create_server((settings.host, 0), backlog=2_048) as listener:
        log.write("info", "ready", url=f"http://{settings.host}:{listener.getsockname()[1]}")
        uvicorn.Server(uvicorn_config(settings, app)).run(sockets=[listener])


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
