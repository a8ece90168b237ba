"""Whether a client certificate is believed: an authority of the tests, and the reasons why not."""

from datetime import UTC, datetime, timedelta

import pytest

from ror.identity.certificates import (
    Untrusted,
    check_client_certificate,
    name_text,
    read_authorities,
)
from ror.identity.certificates.authority import (
    Holder,
    holder,
    issue_client,
    issue_server,
    new_intermediate,
    new_root,
    revocation_list,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SUBJECT = "CN=CLIENT_TEST_RORN,OU=33333333333,O=GIP - TEST3012,ST=Paris (75),C=FR"
ROOT = new_root(NOW)
ISSUER = new_intermediate(ROOT, NOW)
CLIENT = issue_client(ISSUER, SUBJECT, NOW)
KNOWN = ROOT.pem + ISSUER.pem


def revocations(*serials: int, by: Holder = ISSUER, at: datetime = NOW) -> bytes:
    return revocation_list(by, [(serial, at) for serial in serials], at)


def test_a_certificate_has_the_subject_that_was_asked_for():
    assert name_text(CLIENT.certificate.subject) == SUBJECT


@pytest.mark.parametrize(
    ("certificates", "lists", "at"),
    [
        pytest.param(KNOWN, [], NOW, id="now"),
        pytest.param(KNOWN, [], NOW + timedelta(days=365), id="in a year"),
        pytest.param(ISSUER.pem + ROOT.pem, [], NOW, id="authorities in another order"),
        pytest.param(ISSUER.pem, [], NOW, id="an authority without its root"),
        pytest.param(KNOWN, [revocations()], NOW, id="an empty list"),
        pytest.param(KNOWN, [revocations(1, 2)], NOW, id="a list of others"),
        pytest.param(KNOWN, [revocations() + revocations(by=ROOT)], NOW, id="two lists in a file"),
        pytest.param(
            KNOWN,
            [revocations(at=NOW - timedelta(days=40)), revocations()],
            NOW,
            id="an old list and a new one",
        ),
    ],
)
def test_a_certificate_is_believed(certificates, lists, at):
    check_client_certificate(CLIENT.certificate, read_authorities(certificates, lists), at)


ANOTHER_ROOT = new_root(NOW)
OUTDATED = revocations(at=NOW - timedelta(days=40))


@pytest.mark.parametrize(
    ("certificate", "certificates", "lists", "at", "reason"),
    [
        pytest.param(CLIENT, KNOWN, [], NOW - timedelta(days=1), "not-yet", id="before its time"),
        pytest.param(
            CLIENT, KNOWN, [], NOW + timedelta(days=1_096), "expired", id="after its time"
        ),
        pytest.param(
            issue_server(ISSUER, ["a"], NOW), KNOWN, [], NOW, "not-for-clients", id="a server's"
        ),
        pytest.param(ROOT, KNOWN, [], NOW, "not-for-clients", id="an authority's"),
        pytest.param(CLIENT, ANOTHER_ROOT.pem, [], NOW, "untrusted", id="an unknown authority"),
        pytest.param(CLIENT, ROOT.pem, [], NOW, "untrusted", id="an authority that is not named"),
        pytest.param(
            issue_client(new_intermediate(ANOTHER_ROOT, NOW), SUBJECT, NOW),
            KNOWN,
            [],
            NOW,
            "untrusted",
            id="a namesake",
        ),
        pytest.param(
            issue_client(CLIENT, SUBJECT, NOW),
            KNOWN + CLIENT.pem,
            [],
            NOW,
            "untrusted",
            id="a client's own",
        ),
        pytest.param(
            CLIENT,
            KNOWN,
            [revocations(CLIENT.certificate.serial_number)],
            NOW,
            "revoked",
            id="in a list",
        ),
        pytest.param(
            CLIENT,
            KNOWN,
            [revocations(CLIENT.certificate.serial_number, at=NOW - timedelta(days=40))],
            NOW,
            "revoked",
            id="in a list out of date",
        ),
        pytest.param(
            CLIENT,
            KNOWN,
            [revocations(), revocations(ISSUER.certificate.serial_number, by=ROOT)],
            NOW,
            "revoked",
            id="of an authority in a list",
        ),
        pytest.param(CLIENT, KNOWN, [OUTDATED], NOW, "list-outdated", id="a list out of date"),
        pytest.param(
            CLIENT, KNOWN, [revocations(by=ROOT)], NOW, "list-missing", id="a list of another"
        ),
        pytest.param(
            CLIENT,
            KNOWN,
            [revocations(by=new_intermediate(ROOT, NOW))],
            NOW,
            "list-missing",
            id="a list signed by a namesake",
        ),
    ],
)
def test_a_certificate_is_not_believed(certificate, certificates, lists, at, reason):
    with pytest.raises(Untrusted) as refused:
        check_client_certificate(certificate.certificate, read_authorities(certificates, lists), at)

    assert refused.value.reason == reason


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_files_that_hold_no_authority_are_refused(content):
    with pytest.raises(ValueError):
        read_authorities(content)
    with pytest.raises(ValueError):
        read_authorities(KNOWN, [content])


def test_an_authority_is_written_down_and_read_back():
    again = holder(ISSUER.pem, ISSUER.key_pem)

    check_client_certificate(
        issue_client(again, SUBJECT, NOW).certificate, read_authorities(KNOWN), NOW
    )


def test_every_name_of_the_authority_says_that_it_is_a_test():
    names = [
        name_text(one.certificate.subject)
        for one in (ROOT, ISSUER, issue_server(ISSUER, ["a"], NOW))
    ]

    assert all("TEST" in name and "PRODUCTION" in name for name in names)
