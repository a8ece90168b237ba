"""
The page that installs a service: its unit and its settings are valid, and its command starts a
server.
"""

import configparser
import os
import shutil
import subprocess
import sys
import tomllib

import pytest

from ror import settings
from tests.how_to.pages import blocks


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(blocks("service.md", "ini")[0])
    return parser


def test_the_settings_of_the_page_are_accepted(tmp_path):
    file = tmp_path / "ror.toml"
    file.write_text(blocks("service.md", "toml")[0])

    loaded = settings.load({}, {}, file)

    assert loaded.database == "sqlite:////var/lib/ror/ror.db"
    assert loaded.workers == 2


def test_the_unit_gives_requests_longer_than_the_server_takes_to_stop():
    service = unit()["Service"]

    assert int(service["TimeoutStopSec"]) > settings.Settings().stop_timeout_s
    assert service["UMask"] == "0077"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_accepts_the_unit(tmp_path):
    program = tmp_path / "ror"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / "ror.service"
    file.write_text(
        blocks("service.md", "ini")[0].replace("/usr/local/lib/ror/bin/ror", str(program))
    )

    checked = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )

    assert "ror.service" not in checked.stderr, checked.stderr


def test_the_command_of_the_unit_exists(tmp_path):
    program, *arguments = unit()["Service"]["ExecStart"].split()
    file = tmp_path / "ror.toml"
    content = tomllib.loads(blocks("service.md", "toml")[0])
    content["database"] = f"sqlite:///{tmp_path}/absent.db"
    file.write_text("\n".join(f"{name} = {value!r}" for name, value in content.items()))
    arguments[arguments.index("--config") + 1] = str(file)

    started = subprocess.run(
        [sys.executable, "-m", program.rpartition("/")[2], *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "LANG": "en"},
        timeout=60,
        check=False,
    )

    assert "absent.db" in started.stderr, started.stderr
