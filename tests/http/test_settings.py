"""The settings: where values come from, which wins, and how a bad one is refused."""

from dataclasses import fields

import pytest

from ror import settings
from ror.errors import UsageError
from ror.settings import SETTINGS, Settings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_anything_given_every_setting_has_its_default():
    assert settings.load() == Settings()


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file(tmp_path):
    (tmp_path / "ror.toml").write_text('host = "::1"\nport = 1\nworkers = 2\n', encoding="utf-8")

    found = settings.load({"port": 3, "host": None}, {"ROR_PORT": "2", "ROR_WORKERS": "4"})

    assert (found.host, found.port, found.workers) == ("::1", 3, 4)


def test_a_file_is_found_by_its_option_then_its_variable_then_in_the_folder(tmp_path):
    for number, name in enumerate(("ror.toml", "variable.toml", "option.toml"), start=1):
        (tmp_path / name).write_text(f"port = {number}\n", encoding="utf-8")
    environment = {"ROR_CONFIG": str(tmp_path / "variable.toml")}

    assert settings.load().port == 1
    assert settings.load({}, environment).port == 2
    assert settings.load({}, environment, tmp_path / "option.toml").port == 3
    assert settings.load({}, {"ROR_CONFIG": ""}).port == 8000


def test_settings_handed_to_another_process_arrive_unchanged(tmp_path):
    (tmp_path / "ror.toml").write_text("port = 1\n", encoding="utf-8")
    given = settings.load(
        {
            "database": "a folder/ror?.db",
            "anonymous_profile": 0,
            "mount_points": ["/fhir", "/"],
            "trusted_proxies": ["10.0.0.0/8", "::1"],
            "access_log": False,
        }
    )

    assert settings.load({}, settings.as_environment(given)) == given


def test_a_plain_path_is_the_url_of_a_sqlite_file():
    assert settings.load({"database": "a folder/ror.db"}).database == "sqlite:///a%20folder/ror.db"
    assert settings.load({"database": "sqlite:////srv/ror.db"}).database == "sqlite:////srv/ror.db"


def test_variables_of_other_programs_and_of_the_tests_are_left_alone():
    assert settings.load({}, {"RORY": "1", "PATH": "/bin", "ROR_TEST_DATABASE": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("port", "80 80", "0 to 65535", id="a number with a space"),
        pytest.param("port", "65536", "0 to 65535", id="a port that does not exist"),
        pytest.param("port", "", "0 to 65535", id="an empty number"),
        pytest.param("port", "٣", "0 to 65535", id="digits of another script"),
        pytest.param("port", 1.5, "a text", id="a fraction"),
        pytest.param("workers", "0", "1 to 256", id="no worker"),
        pytest.param("log_format", "JSON", "auto, json, text", id="a choice in capitals"),
        pytest.param("access_log", "maybe", "true, false", id="neither yes nor no"),
        pytest.param("public_url", "ror.example.org", "https://", id="an address without scheme"),
        pytest.param(
            "public_url", "https://a b.example.org", "https://", id="an address with a space"
        ),
        pytest.param(
            "public_url",
            "https://x.example.org?a=1",
            "https://",
            id="an address with a question mark",
        ),
        pytest.param(
            "public_url",
            "https://x.example.org:99999",
            "https://",
            id="an address with an absurd port",
        ),
        pytest.param("mount_points", "fhir", "/fhir", id="a path without slash"),
        pytest.param("mount_points", "/fhir,/fhir", "distinct", id="a path twice"),
        pytest.param("mount_points", "/health", "taken", id="a path of the service"),
        pytest.param("mount_points", {"a": 1}, "a text", id="a table where a list is expected"),
        pytest.param(
            "trusted_proxies",
            "proxy.example.org",
            "10.0.0.0/8",
            id="a name where a network is expected",
        ),
        pytest.param(
            "terminology_file", "absent.toml", "does not exist", id="a file that is not there"
        ),
        pytest.param("database", "  ", "not empty", id="no database"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_its_source_and_what_would_work(name, value, expected):
    with pytest.raises(UsageError) as refusal:
        settings.load({name: value})

    told = refusal.value.text("en")
    assert name in told and str(value) in told and expected in told
    assert "--" + name.replace("_", "-") in told or name in ("mount_points", "trusted_proxies")


def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path):
    (tmp_path / "ror.toml").write_text("hots = 1\n", encoding="utf-8")

    with pytest.raises(UsageError, match=r'"hots".*"host"'):
        settings.load()
    with pytest.raises(UsageError, match=r"ROR_WORKRES.*ROR_WORKERS"):
        settings.load({}, {"ROR_CONFIG": "", "ROR_WORKRES": "2"})


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.toml").write_text("port = = 1", encoding="utf-8")

    with pytest.raises(UsageError, match=r"broken\.toml.*TOML"):
        settings.load(file=tmp_path / "broken.toml")
    with pytest.raises(UsageError, match=r"absent\.toml"):
        settings.load(file=tmp_path / "absent.toml")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_anonymous_profile_is_accepted_on_a_loopback_address(host):
    assert settings.load({"anonymous_profile": 1, "host": host}).anonymous_profile == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "ror.example.org"])
def test_the_anonymous_profile_is_refused_where_others_can_reach_it(host):
    with pytest.raises(UsageError, match="loopback"):
        settings.load({"anonymous_profile": 1, "host": host})


def test_the_anonymous_profile_is_refused_behind_a_proxy_because_others_can_reach_it():
    with pytest.raises(UsageError, match="trusted_proxies"):
        settings.load({"anonymous_profile": 2, "trusted_proxies": "127.0.0.1"})

    assert (
        settings.load({"anonymous_profile": 0, "trusted_proxies": "127.0.0.1"}).anonymous_profile
        == 0
    )


@pytest.mark.parametrize(
    ("address", "mounts", "right"),
    [
        ("https://ror.example.org/fhir", "/fhir,/", "https://ror.example.org."),
        ("https://ror.example.org/fhir/", "/fhir,/", "https://ror.example.org."),
        ("https://ror.example.org/fhir", "/ws-diffusion-fhir,/fhir,/", "https://ror.example.org."),
        ("https://x.example.org/ror/v1/fhir", "/v1/fhir", "https://x.example.org/ror."),
    ],
)
def test_a_public_address_that_ends_with_a_mount_point_is_refused(address, mounts, right):
    with pytest.raises(UsageError) as refusal:
        settings.load({"public_url": address, "mount_points": mounts})

    assert f"Write {right}" in refusal.value.text("en")


@pytest.mark.parametrize(
    ("address", "mounts"),
    [
        ("https://ror.example.org", "/fhir,/"),
        ("https://ror.example.org/ror", "/fhir,/"),
        ("https://ror.example.org/myfhir", "/fhir,/"),
        ("https://ror.example.org/fhir", "/"),
    ],
)
def test_a_public_address_with_another_path_is_accepted(address, mounts):
    assert settings.load({"public_url": address, "mount_points": mounts}).public_url == address


@pytest.mark.parametrize(
    "written", ["https://auth.example.org", "https://auth.example.org/auth/realms/ror/"]
)
def test_the_issuer_of_tokens_is_the_realm_whether_or_not_it_is_written(written):
    assert (
        settings.load({"token_issuer": written}).issuer
        == "https://auth.example.org/auth/realms/ror"
    )


def test_every_setting_is_documented_in_both_languages():
    assert [one.name for one in SETTINGS] == [one.name for one in fields(Settings)]
    assert all(one.description(language) for one in SETTINGS for language in ("fr", "en"))
