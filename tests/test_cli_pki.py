"""`ror pki …`: an authority for tests, judged by our own verification and by OpenSSL's."""

import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography import x509

from ror.identity.certificates import (
    Untrusted,
    check_client_certificate,
    name_text,
    read_authorities,
)
from tests.test_cli import ror


@pytest.fixture
def folder(tmp_path):
    """A folder with an authority in `pki`."""
    assert ror("pki", "init", folder=tmp_path).returncode == 0
    return tmp_path


def issued(folder, name, *options):
    done = ror("pki", "issue", name, "--json", *options, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(folder, name):
    """Why the certificate of this name is not believed; None when it is."""
    pki = folder / "pki"
    known = read_authorities(
        (pki / "authorities.pem").read_bytes(), [(pki / "crl.pem").read_bytes()]
    )
    try:
        check_client_certificate(
            x509.load_pem_x509_certificate((pki / f"{name}.pem").read_bytes()),
            known,
            datetime.now(UTC),
        )
    except Untrusted as problem:
        return problem.reason
    return None


def test_what_is_issued_is_believed_until_it_is_revoked(folder):
    told = issued(folder, "SAS", "--ou", "123456789", "--organisation", "GRADES, Bretagne")
    issued(folder, "DAC")
    assert told["subject"] == r"CN=SAS,OU=123456789,O=GRADES\, Bretagne,ST=Paris (75),C=FR"
    assert (refused(folder, "SAS"), refused(folder, "DAC")) == (None, None)

    # As other programs write it.
    done = ror("pki", "revoke", "0" + told["serial"].lower(), folder=folder)

    assert done.returncode == 0, done.stderr
    assert (refused(folder, "SAS"), refused(folder, "DAC")) == ("revoked", None)


def test_the_revocation_list_can_be_published_again(folder):
    issued(folder, "SAS")
    ror("pki", "revoke", "SAS", folder=folder)
    (folder / "pki" / "crl.pem").unlink()

    assert ror("pki", "crl", folder=folder).returncode == 0

    assert refused(folder, "SAS") == "revoked"


def test_openssl_agrees(folder):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed on this machine")
    for name in ("SAS", "DAC"):
        issued(folder, name)
    ror("pki", "revoke", "SAS", folder=folder)

    def verified(name, purpose):
        lists = (
            "-CAfile",
            "pki/authorities.pem",
            "-CRLfile",
            "pki/crl.pem",
            "-crl_check",
            "-purpose",
            purpose,
        )
        done = subprocess.run(
            [openssl, "verify", *lists, f"pki/{name}.pem"],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    assert (verified("DAC", "sslclient"), verified("DAC", "sslserver")) == (True, False)
    assert (verified("server", "sslserver"), verified("server", "sslclient")) == (True, False)
    assert not verified("SAS", "sslclient")


def test_private_keys_are_for_their_owner_alone(folder):
    issued(folder, "SAS")

    keys = list((folder / "pki").glob("*.key"))

    assert {path.name for path in keys} == {"root.key", "issuer.key", "server.key", "SAS.key"}
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_everything_says_that_it_is_for_tests(folder):
    root = x509.load_pem_x509_certificate((folder / "pki" / "root.pem").read_bytes())

    assert "TEST" in name_text(root.subject) and "PRODUCTION" in name_text(root.subject)
    for command in (["issue", "SAS"], ["revoke", "SAS"], ["crl"]):
        assert "never use them in production" in ror("pki", *command, folder=folder).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(["init"], "already", id="an authority twice"),
        pytest.param(["issue", "DAC"], "DAC", id="a name twice"),
        pytest.param(["issue", "root"], "root", id="the name of a file of the authority"),
        pytest.param(["issue", "a/b"], "a/b", id="a name that is a path"),
        pytest.param(["issue", "X", "--subject", "nonsense"], "nonsense", id="no subject"),
        pytest.param(["revoke", "nobody"], "nobody", id="a certificate that was not issued"),
        pytest.param(["crl", "--directory", "absent"], "absent", id="no authority"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder, arguments, told):
    issued(folder, "DAC")
    before = sorted(path.name for path in (folder / "pki").iterdir())

    done = ror("pki", *arguments, folder=folder)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and told in done.stderr
    assert sorted(path.name for path in (folder / "pki").iterdir()) == before


def test_the_certificate_of_the_server_is_renewed_for_the_same_hosts(tmp_path):
    ror("pki", "init", "--host", "ror.test", "--host", "192.0.2.1", folder=tmp_path)
    server = tmp_path / "pki" / "server.pem"
    former = x509.load_pem_x509_certificate(server.read_bytes())

    done = ror("pki", "renew", folder=tmp_path)

    renewed = x509.load_pem_x509_certificates(server.read_bytes())
    names = [
        one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for one in (former, renewed[0])
    ]
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["certificate:", "pki/server.pem"])
    assert names[0] == names[1] and len(list(names[1])) == 2
    assert former.serial_number != renewed[0].serial_number
    # With its chain, as before.
    assert len(renewed) == 2


def test_a_server_certificate_that_is_none_is_not_renewed(folder):
    (folder / "pki" / "server.pem").write_bytes(b"no certificate")

    done = ror("pki", "renew", folder=folder)

    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert (folder / "pki" / "server.pem").read_bytes() == b"no certificate"
