"""`ror demo` as somebody who tries it: what it prints is typed into a shell, twice, and works."""

import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.test_cli import clean_environment


@contextmanager
def demonstration(folder, ports) -> Iterator[list[str]]:
    """What a demonstration prints into a pipe, while it runs."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ror",
            "demo",
            "--port",
            ports[0],
            "--tls-port",
            ports[1],
            "--directory",
            "deep/demo",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=clean_environment("en"),
    )
    shown: list[str] = []
    try:
        for line in process.stdout:
            shown.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        answer_of(f"http://127.0.0.1:{ports[0]}/health/ready")
        answer_of(
            f"https://localhost:{ports[1]}/health/ready", folder / "deep/demo/pki/authorities.pem"
        )
        yield shown
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    # Neither server is left behind.
    for port in ports:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(port)), timeout=1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What was shown by the first run and by the second, and what the shell made of it."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed on this machine")
    folder = tmp_path_factory.mktemp("demo")
    ports = [str(free_port()), str(free_port())]
    found = []
    for _ in range(2):
        with demonstration(folder, ports) as shown:
            found.append((shown, [typed(lines, folder) for lines in commands(shown)]))
    return found


def commands(shown: list[str]) -> list[str]:
    """What is to be typed: requests alone, and those that begin by taking a token."""
    lines = [line.strip() for line in shown if line.startswith("  ")]
    return [
        f"{lines[position - 1]}; {line}" if lines[position - 1].startswith("TOKEN=") else line
        for position, line in enumerate(lines)
        if line.startswith("curl ")
    ]


def typed(line: str, folder) -> dict:
    done = subprocess.run(
        ["bash", "-c", line.replace("curl ", "curl --silent --noproxy '*' ")],
        capture_output=True,
        cwd=folder,
        check=False,
        timeout=30,
    )
    return json.loads(done.stdout)


def test_it_is_made_once(runs):
    assert [any("Making" in line for line in shown) for shown, _ in runs] == [True, False]


def test_what_it_says_to_type_finds_something(runs):
    for _, answers in runs:
        assert len(answers) == 3 + 6
        assert all(answer["total"] > 0 for answer in answers), answers


def test_each_profile_sees_its_own(runs):
    _, answers = runs[0]
    totals = [answer["total"] for answer in answers[3:]]

    assert totals[1] == totals[4] == max(totals)
    assert all(totals[profile] < totals[1] for profile in (0, 2, 3, 5)), (
        "sensitive units are hidden"
    )
    assert answers[0]["total"] == totals[2], "without a token one reads under profile 2"


def test_the_second_time_has_the_same_clients(runs):
    shown = [[line for line in lines if "TOKEN" in line] for lines, _ in runs]

    assert shown[0] == shown[1]


def test_what_must_stay_secret_is_for_its_owner_alone(runs, tmp_path_factory):
    folder = next(tmp_path_factory.getbasetemp().glob("demo*")) / "deep" / "demo"
    secrets = [folder / "demo-0.secret", *(folder / "pki").glob("*.key")]

    assert len(secrets) > 6
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_tls_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "ror", "demo", "--port", str(free_port()), "--tls-port", port],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=clean_environment("en"),
            timeout=120,
            check=False,
        )

    assert done.returncode == 2
    assert port in done.stderr and "--tls-port" in done.stderr


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answer_of(url, cafile=None):
    """The answer of a server that may still be starting."""
    context = ssl.create_default_context(cafile=cafile) if cafile else None
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10, context=context) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
