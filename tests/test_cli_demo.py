"""`ror demo` as somebody who tries it: what it prints is typed into a shell, twice, and works."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain

import pytest

from tests.test_cli import clean_environment, ror


@contextmanager
def demonstration(folder, *options, **environment) -> Iterator[list[str]]:
    """What a demonstration prints into a pipe, while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ror", "demo", *options, "--directory", "deep/demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=clean_environment("en") | environment,
    )
    shown: list[str] = []
    try:
        for line in process.stdout:
            shown.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        ports = ports_of(shown, folder)
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


def ports_of(shown: list[str], folder) -> tuple[int, int]:
    """The ports of both servers, as the demonstration prints them."""
    [first] = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)/", "".join(shown))}
    [second] = {
        int(port)
        for port in re.findall(r"https://localhost:(\d+)/", "".join(clients_shown(folder)))
    }
    return first, second


def clients_shown(folder) -> list[str]:
    """What `ror demo clients` prints."""
    return ror("demo", "clients", "--directory", "deep/demo", folder=folder).stdout.splitlines()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What the first run and the second printed, and what each command of it answered."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed on this machine")
    folder = tmp_path_factory.mktemp("demo")
    ports = ["--port", str(free_port()), "--tls-port", str(free_port())]
    found = []
    for _ in range(2):
        with demonstration(folder, *ports) as shown:
            lines = shown + clients_shown(folder)
            found.append((lines, [typed(line, folder) for line in commands(lines)], shown))
    return found


def commands(shown: list[str]) -> list[str]:
    """The commands to type: requests alone, and those that begin by getting a token."""
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
    assert [any("Making" in line for line in shown) for shown, _, _ in runs] == [True, False]


def test_what_it_says_to_type_finds_something(runs):
    for _, answers, _ in runs:
        assert len(answers) == 3 + 6
        assert all(answer["total"] > 0 for answer in answers), answers


def test_each_profile_sees_its_own(runs):
    _, answers, _ = runs[0]
    totals = [answer["total"] for answer in answers[3:]]

    assert totals[1] == totals[4] == max(totals)
    assert all(totals[profile] < totals[1] for profile in (0, 2, 3, 5)), (
        "sensitive units are hidden"
    )
    assert answers[0]["total"] == totals[2], "without a token one reads under profile 2"


def test_the_second_time_has_the_same_clients(runs):
    shown = [[line for line in lines if "TOKEN" in line] for lines, _, _ in runs]

    assert shown[0] == shown[1]


def test_what_must_stay_secret_is_for_its_owner_alone(runs, tmp_path_factory):
    folder = next(tmp_path_factory.getbasetemp().glob("demo*")) / "deep" / "demo"
    secrets = [
        folder / "demo-0.secret",
        folder / "demo-clients.txt",
        *(folder / "pki").glob("*.key"),
    ]

    assert len(secrets) > 6
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_dozen_lines_say_what_to_try(runs):
    _, _, shown = runs[1]

    assert len(shown) <= 12
    assert sum("curl" in line for line in shown) == 3
    assert not any("TOKEN" in line or "client_secret" in line for line in shown)
    assert any(
        "deep/demo/demo-clients.txt" in line and "ror demo clients" in line for line in shown
    )


@pytest.fixture
def taken_defaults():
    """Ports 8000 and 8443 in use, by this test or by whoever has them already."""
    with ExitStack() as stack:
        for port in (8000, 8443):
            with suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def test_a_port_in_use_is_replaced_by_the_next_free_one(taken_defaults, tmp_path):
    with demonstration(tmp_path) as shown:
        first, second = ports_of(shown, tmp_path)

    assert 8000 < first < 8443 < second
    assert [line for line in shown if f"{first}" in line and "8000" in line] != []
    assert [line for line in shown if f"{second}" in line and "8443" in line] != []


@pytest.mark.parametrize("source", ["environment", "file"])
def test_settings_hold_for_a_demonstration(source, tmp_path):
    port = free_port()
    settings = {"port": port, "mount_points": "/annuaire"}
    if source == "file":
        lines = [f"{name} = {value!r}" for name, value in settings.items()]
        (tmp_path / "ror.toml").write_text("\n".join(lines))
    variables = {f"ROR_{name.upper()}": str(value) for name, value in settings.items()}

    environment = variables if source == "environment" else {}
    with demonstration(tmp_path, "--tls-port", str(free_port()), **environment) as shown:
        address = f"http://127.0.0.1:{port}/annuaire"

        assert any(f"{address}/HealthcareService" in line for line in shown)
        assert answer_of(f"{address}/Location?_summary=count")["total"] > 0


@pytest.mark.parametrize("asked", ["--port", "--tls-port", "ROR_PORT"])
def test_a_port_that_was_asked_for_and_is_in_use_is_refused(asked, tmp_path):
    options = {"--port": str(free_port()), "--tls-port": str(free_port())}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {}
        if asked == "ROR_PORT":
            del options["--port"]
            environment = {asked: port}
        else:
            options[asked] = port
        done = ror("demo", *chain.from_iterable(options.items()), folder=tmp_path, **environment)

    assert done.returncode == 2
    assert port in done.stderr
    assert not (tmp_path / "var").exists(), "nothing is made before"


def test_clients_of_no_demonstration_are_refused(tmp_path):
    done = ror("demo", "clients", folder=tmp_path)

    assert done.returncode == 2
    assert "ror demo" in done.stderr


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
