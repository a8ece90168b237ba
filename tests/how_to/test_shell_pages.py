"""The how-to pages, followed literally: every block of commands, in their order, in one shell."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.how_to.pages import blocks
from tests.http.conftest import fill, free_port
from tests.test_cli import clean_environment
from tests.waiting import until

WITHIN_S = 240
HEAD = "set -em; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
"""A command that fails ends the shell, and what runs in the background ends with it."""


def needing(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


@pytest.fixture
def followed(tmp_path: Path) -> Iterator["Shell"]:
    shell = Shell(tmp_path)
    yield shell
    shell.end()


class Shell:
    """A shell in an empty folder; the ports of the pages become free ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"8000": str(free_port()), "8443": str(free_port())}
        self.process: subprocess.Popen[str] | None = None

    def follow(self, page: str, last: str = "") -> str:
        """Type every block of a page, and a last line; what was printed."""
        script = "\n".join([HEAD, *blocks(page, "sh"), last])
        for port, free in self.ports.items():
            script = re.sub(rf"\b{port}\b", free, script)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        output = self.folder / "output"
        with output.open("w") as written:
            self.process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.folder,
                env={**clean_environment("en"), "PATH": path},
                stdout=written,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            code = self.process.wait(timeout=WITHIN_S)
        said = output.read_text(encoding="utf-8")
        assert code == 0, said
        return said

    def end(self) -> None:
        """End what a page that failed left running."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        with suppress(FileNotFoundError):
            os.kill(int(self.folder.joinpath("nginx.pid").read_text()), signal.SIGTERM)

    def json(self, name: str) -> dict[str, object]:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


@needing("bash", "curl")
def test_the_page_about_certificates_leads_to_a_token_and_to_its_refusal(followed: Shell):
    said = followed.follow("certificates.md", "kill %1; wait")

    assert '"resourceType":"Bundle"' in said
    assert followed.json("token.json")["token_type"] == "Bearer"
    assert followed.json("refused.json")["error"] == "invalid_client"
    assert "revoked" in str(followed.json("refused.json")["error_description"])
    assert '"what":"certificate"' in said and '"state":"reloaded"' in said
    assert '"event":"stopped"' in said


@needing("bash", "curl", "nginx")
def test_the_page_about_nginx_leads_to_a_token_and_to_links_of_the_proxy(followed: Shell):
    followed.follow("behind-nginx.md", "wait")

    base = f"https://localhost:{followed.ports['8443']}/fhir/"
    page = followed.json("page.json")
    links = [link["url"] for link in page["link"]]  # type: ignore[attr-defined]
    assert links and all(link.startswith(base) for link in links)
    assert until(lambda: not followed.folder.joinpath("nginx.pid").exists())


@needing("bash", "curl")
def test_the_page_about_workers_leads_to_two_of_them_that_reload_and_stop(followed: Shell):
    fill(f"sqlite:///{followed.folder}/ror.db")

    said = followed.follow("workers.md")

    states = re.findall(r'"event":"worker","state":"(\w+)"', said)
    assert states.count("started") == 2 and "ready" in states and "died" not in states
    assert said.count('"event":"stopped"') == 1
