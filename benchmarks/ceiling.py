"""
The ceiling: a server that only sends, with the HTTP stack of the real one.

Same uvicorn, same protocol class, same settings, same kind of ASGI application; but every response,
head and body, was recorded and is sent from memory. No server on this stack can be faster, so a
rate divided by the rate of the ceiling shows the share of HTTP and that of the directory on any
machine.
"""

import pickle
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.recording import Answer
from ror.http.application import Application
from ror.http.connections import Listener
from ror.http.exchange import Receive, Scope, Send
from ror.http.server import Server
from ror.observability import Log, adopt_library_logs
from ror.settings import Settings


class Ceiling(Application):
    """
    Answers each target with its recorded response; an `Application`, because the protocol reads its
    limits.
    """

    def __init__(self, settings: Settings, log: Log, answers: Mapping[str, Answer]) -> None:
        super().__init__(settings, log)
        self._answers = {target.encode(): answer for target, answer in answers.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or one lifespan event."""
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
    """Write recorded responses, by target, for the process of the ceiling."""
    path.write_bytes(
        pickle.dumps({target: (one.headers, one.body) for target, one in answers.items()})
    )


def serve(path: Path) -> None:
    """Serve the responses of a file until stopped; the start-up line has the address."""
    settings, log = Settings(port=0, anonymous_profile=1), Log("json")
    adopt_library_logs(log)
    recorded = pickle.loads(path.read_bytes())  # noqa: S301 our own file, of this very run
    app = Ceiling(settings, log, {target: Answer(*parts) for target, parts in recorded.items()})
    with socket.create_server((settings.host, 0), backlog=2_048) as listener:
        log.write("info", "ready", url=f"http://{settings.host}:{listener.getsockname()[1]}")
        Server(settings, app, Listener(listener, log)).run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
