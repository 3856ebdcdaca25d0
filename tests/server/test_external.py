"""SASL EXTERNAL (RFC 4422 appendix A, RFC 4513 section 5.2.3): whose certificate or process it is, and its record."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from ldapserver.audit.render import JSONRenderer
from ldapserver.client_certificate import ClientCertificate, UnreadableCertificate
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.process import Process
from ldapserver.sasl.mechanism import TLS
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import BindResponse, ResultCode, Scope
from tests.authority import U1 as U1_SUBJECT
from tests.authority import UPN, Authority, Issued, name, upn
from tests.server.stage import LDIF, U1, Stage, digest_response, sasl, search, stage
from tests.server.test_bind import Full

OK = BindResponse(ResultCode.SUCCESS)
REFUSAL = BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")
ASKED = BindResponse(ResultCode.SASL_BIND_IN_PROGRESS, server_sasl_creds=b"")
CA = Authority()
STRANGER = name((NameOID.COMMON_NAME, "stranger"))
PEERCRED = "gidNumber=100+uidNumber=1000,cn=peercred,cn=external,cn=auth"


def external(on: Stage, authzid: bytes | str | None = b"") -> BindResponse:
    """The answer to this authzid, or to a bind without credentials."""
    return on.bind(sasl(authzid.encode() if isinstance(authzid, str) else authzid, "EXTERNAL"))


def certified(issued: Issued | None, ldif: str = LDIF, **settings: Any) -> Stage:
    """A session inside TLS, of a client that has shown this certificate."""
    on = stage(ldif, **settings)
    on.session.secured(TLS(bytes(32), None if issued is None else issued.der))
    return on


def local(ldif: str = LDIF, uid: int = 1000, gid: int = 100, **settings: Any) -> Stage:
    """A session by a Unix socket, of a process of this user's and group's."""
    return stage(ldif, process=Process(uid, gid), **settings)


def offered(on: Stage) -> tuple[bytes, ...]:
    """What the root DSE lists."""
    entries, _ = on.search(search("", Scope.BASE_OBJECT, attributes=("supportedSASLMechanisms",)))
    return entries[""]["supportedSASLMechanisms"]


def person(uid: str, *lines: str) -> str:
    """One more entry of LDIF."""
    more = "".join(f"{line}\n" for line in lines)
    dn = f"uid={uid},ou=people,dc=contoso,dc=com"
    return f"\ndn: {dn}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: X\n{more}"


# Where it can be used


def test_without_anything_beneath_that_knows_the_client_it_is_neither_listed_nor_taken() -> None:
    for on in (stage(), certified(None)):
        assert b"EXTERNAL" not in offered(on)
        for credentials in (b"", None, b"u:u1"):
            # "MUST fail with a resultCode of inappropriateAuthentication": RFC 4513 section 5.2.3
            assert external(on, credentials).result_code is ResultCode.INAPPROPRIATE_AUTHENTICATION
        assert on.reasons == ["no-certificate"] * 3
        assert on.verdicts == []


def test_it_is_listed_where_a_certificate_or_the_system_knows_the_client() -> None:
    assert offered(certified(CA.issue())) == (b"DIGEST-MD5", b"EXTERNAL", b"PLAIN")
    assert offered(local()) == (b"DIGEST-MD5", b"EXTERNAL", b"PLAIN")
    assert offered(local(mechanisms=("PLAIN", "EXTERNAL"))) == (b"PLAIN", b"EXTERNAL")


def test_it_is_not_taken_where_it_is_not_named() -> None:
    on = certified(CA.issue(), mechanisms=("DIGEST-MD5", "PLAIN"))
    assert external(on).result_code is ResultCode.AUTH_METHOD_NOT_SUPPORTED


# The exchange


def test_an_empty_response_is_an_answer_and_an_absent_one_is_asked_for() -> None:
    on = certified(CA.issue())
    assert external(on, b"") == OK
    assert external(on, None) == ASKED
    assert on.session.identity.anonymous
    assert external(on, b"") == OK
    assert external(on, None) == ASKED
    assert external(on, None) == OK  # what is empty is left out by some
    assert on.who() == f"dn:{U1}"
    assert on.reasons == ["success"] * 3


@pytest.mark.parametrize(
    ("authzid", "why"), [(b"u:u1\0", "authzid: must not hold NUL"), (b"\xff", "authzid: must be UTF-8")]
)
def test_what_is_no_authzid_is_malformed(authzid: bytes, why: str) -> None:
    on = certified(CA.issue())
    assert external(on, authzid) == REFUSAL
    (record,) = on.records
    assert (record.reason.value, record.detail, record.status) == ("malformed", why, None)


@pytest.mark.parametrize("on", [certified(CA.issue()), local(LDIF)], ids=["certificate", "process"])
def test_who_leaves_in_the_middle_is_recorded(on: Stage) -> None:
    assert external(on, None) == ASKED
    assert on.bind(sasl(digest_response(on.challenge(), "u1", "password"))).result_code is ResultCode.SUCCESS
    assert on.reasons == ["abandoned", "success"]
    assert [record.mechanism for record in on.records] == ["EXTERNAL", "DIGEST-MD5"]


# By certificate: what it says


def test_a_certificate_is_read() -> None:
    alternatives = [
        x509.DNSName("host.contoso.com"),
        upn("u1@contoso.com"),
        x509.RFC822Name("una.one@contoso.com"),
        x509.OtherName(ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
        upn("jürgen@contoso.com"),
    ]
    der = CA.issue(alternatives=alternatives).der
    assert ClientCertificate.parse(der) == ClientCertificate(
        der, DN.parse(U1), ("u1@contoso.com", "jürgen@contoso.com"), ("una.one@contoso.com",)
    )
    assert ClientCertificate.parse(CA.issue(STRANGER).der).principal_names == ()


def test_a_subject_is_turned_round_and_its_types_are_those_of_a_directory() -> None:
    several = x509.RelativeDistinguishedName(
        [x509.NameAttribute(NameOID.COMMON_NAME, "A, B"), x509.NameAttribute(NameOID.USER_ID, "ab")]
    )
    subject = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Groß & Söhne")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.example")]),
            several,
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.PSEUDONYM, "x")]),
        ]
    )
    read = ClientCertificate.parse(CA.issue(subject).der).subject
    assert read == DN.parse("2.5.4.65=x,cn=A\\, B+uid=ab,email=a@b.example,o=Groß & Söhne,c=DE")
    assert read.rdns[0][0].value == b"x"


@pytest.mark.parametrize("value", [b"\x05\x00", b"\x0c\x01\xff"], ids=["NULL", "no UTF-8"])
def test_a_upn_that_is_none_makes_the_certificate_unreadable_and_a_stranger_s(value: bytes) -> None:
    issued = CA.issue(alternatives=[x509.OtherName(UPN, value)])
    with pytest.raises(UnreadableCertificate):
        ClientCertificate.parse(issued.der)
    on = certified(issued)
    assert external(on) == REFUSAL
    (record,) = on.records
    assert record.reason.value == "unmapped-identity"
    assert record.detail is not None
    assert record.detail.startswith("the client's certificate: ")


def test_a_certificate_that_cannot_be_read_is_a_stranger_s() -> None:
    der = CA.issue().der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)  # version 6
    for unreadable in (der, b"nonsense"):
        on = stage()
        on.session.secured(TLS(bytes(32), unreadable))
        assert external(on) == REFUSAL
        assert on.reasons == ["unmapped-identity"]
        assert on.channel.failures == []


# By certificate: whose it is


BOTH = ("subject", "upn", "email", "certificate")
U2 = "uid=u2,ou=people,dc=contoso,dc=com"
MAIL = LDIF.replace("uid: u2\n", "uid: u2\nmail: Ugo@contoso.com\n")


@pytest.mark.parametrize(
    ("subject", "alternatives", "maps", "expected"),
    [
        (None, (), ("subject",), U1),
        (
            name(*((oid, value.upper()) for oid, value in U1_SUBJECT)),
            (),
            ("subject",),
            U1,
        ),
        (name(*reversed(U1_SUBJECT)), (), BOTH, None),
        (name(*U1_SUBJECT[:3]), (), BOTH, None),  # ou=people is nobody
        (name(*U1_SUBJECT[:3], (NameOID.USER_ID, "u1\u00ad")), (), BOTH, None),
        (x509.Name([]), (), BOTH, None),
        (STRANGER, (), BOTH, None),
        (None, (), ("upn", "email", "certificate"), None),
        (STRANGER, (upn("u1@contoso.com"),), ("upn",), U1),
        (STRANGER, (upn("U1@Contoso.Com"),), ("subject", "upn"), U1),
        (STRANGER, (upn("u2@contoso.com"),), ("upn",), U2),  # its implicit one
        (STRANGER, (upn("u2@elsewhere.org"), upn("u1@contoso.com")), ("upn",), U1),
        (STRANGER, (upn("u1@contoso.com"),), ("subject", "email"), None),
        (STRANGER, (upn("u1"),), ("upn",), None),
        (STRANGER, (upn("CONTOSO\\u1"),), ("upn",), None),
        (STRANGER, (x509.RFC822Name("ugo@CONTOSO.com"),), ("email",), U2),
        (STRANGER, (x509.RFC822Name("ugo@contoso.com"),), ("subject", "upn"), None),
        (STRANGER, (x509.RFC822Name("*"),), BOTH, None),
        (None, (upn("u2@contoso.com"),), ("subject", "upn"), U1),
        (None, (upn("u2@contoso.com"),), ("upn", "subject"), U2),
    ],
)
def test_whose_certificate_it_is(
    subject: x509.Name | None,
    alternatives: Sequence[x509.GeneralName],
    maps: tuple[str, ...],
    expected: str | None,
) -> None:
    on = certified(CA.issue(subject, alternatives), MAIL, certificate_maps=maps)
    answer = external(on)
    assert (answer, on.who()) == ((REFUSAL, "") if expected is None else (OK, f"dn:{expected}"))
    (record,) = on.records
    assert record.reason.value == ("unmapped-identity" if expected is None else "success")
    assert (record.status, record.mechanism, record.tls) == (None, "EXTERNAL", True)


def test_the_default_is_subject_then_upn() -> None:
    assert external(certified(CA.issue())) == OK
    assert external(certified(CA.issue(STRANGER, [upn("u1@contoso.com")]))) == OK
    assert external(certified(CA.issue(STRANGER, [x509.RFC822Name("una.one@contoso.com")]))) == REFUSAL


@pytest.mark.parametrize("attribute", ["userCertificate", "userCertificate;binary"])
def test_a_certificate_that_an_entry_holds_is_its_account_s(attribute: str) -> None:
    issued, other = CA.issue(STRANGER), CA.issue(STRANGER)
    held = f"{attribute}:: {b64encode(issued.der).decode()}"
    ldif = LDIF.replace("uid: u2\n", f"uid: u2\n{held}\n")
    on = certified(issued, ldif, certificate_maps=("certificate",))
    assert external(on) == OK
    assert on.who() == f"dn:{U2}"
    assert external(certified(other, ldif, certificate_maps=("certificate",))) == REFUSAL
    twice = certified(issued, ldif + person("other", held), certificate_maps=("certificate",))
    assert external(twice) == REFUSAL
    assert twice.reasons == ["ambiguous-name"]


@pytest.mark.parametrize(
    ("alternative", "more"),
    [
        (upn("u2@contoso.com"), person("other", "userPrincipalName: u2@contoso.com")),
        (x509.RFC822Name("una.one@contoso.com"), person("other", "mail: Una.One@contoso.com")),
    ],
    ids=["upn", "email"],
)
def test_what_leads_to_two_leads_to_nobody(alternative: x509.GeneralName, more: str) -> None:
    on = certified(CA.issue(STRANGER, [alternative]), LDIF + more, certificate_maps=("upn", "email", "subject"))
    assert external(on) == REFUSAL
    (record,) = on.records
    assert (record.reason.value, record.status) == ("ambiguous-name", None)
    assert record.detail == "the certificate of cn=stranger is more than one account's"


def test_a_search_for_an_account_lets_others_have_their_turn() -> None:
    many = LDIF + "".join(person(f"p{number}") for number in range(200))
    on = certified(CA.issue(STRANGER), many, certificate_maps=("certificate",))
    assert on.send(sasl(b"", "EXTERNAL")) == []
    while on.channel.turn():
        pass
    (message,) = on.channel.taken()
    assert message.operation == REFUSAL


# By a Unix socket

POSIX = person("posix", "uidNumber: 1000", "gidNumber: 100")


def test_a_process_is_the_account_of_its_numbers() -> None:
    on = local(LDIF + POSIX)
    assert external(on) == OK
    assert on.who() == "dn:uid=posix,ou=people,dc=contoso,dc=com"
    (record,) = on.records
    assert (record.account, record.source_ip, record.tls) == (PEERCRED, None, False)
    assert record.detail == f"{PEERCRED} is uid=posix,ou=people,dc=contoso,dc=com"


@pytest.mark.parametrize(
    "more",
    [
        "",
        person("other", "uidNumber: 1000"),
        person("other", "uidNumber: 1000", "gidNumber: 101"),
        POSIX + person("other", "uidNumber: 1000", "gidNumber: 100"),
        "\ndn: cn=d,dc=contoso,dc=com\nobjectClass: device\ncn: d\nuidNumber: 1000\ngidNumber: 100\n",
    ],
    ids=["nobody", "no group", "other group", "two", "no account"],
)
def test_a_process_that_is_no_account_or_more_than_one_is_itself(more: str) -> None:
    on = local(LDIF + more)
    assert external(on) == OK
    assert on.who() == f"dn:{PEERCRED}"
    assert on.records[0].detail == PEERCRED
    assert on.search(search())[1].result_code is ResultCode.SUCCESS


@pytest.mark.parametrize(("uid", "admin"), [(0, True), (1000, False)])
def test_root_may_be_an_administrator(uid: int, admin: bool) -> None:
    # However it is written: names are compared, not texts.
    on = local(uid=uid, gid=0, admins=("UIDNUMBER=0 + gidNumber=0,cn=peercred,cn=external,cn=auth",))
    assert external(on) == OK
    assert on.session.identity.admin is admin


def test_a_certificate_is_more_than_a_socket() -> None:
    on = local()
    on.session.secured(TLS(bytes(32), CA.issue().der))
    assert external(on) == OK
    assert on.who() == f"dn:{U1}"


# Authorization


def test_an_authzid_is_subject_to_the_same_rules_as_elsewhere() -> None:
    on = certified(CA.issue(), LDIF.replace("uid: u1\n", "uid: u1\nauthzTo: u:u2\n"))
    for authzid, who in (("u:u2", U2), (f"dn:{U1}", U1), ("u:u1", U1)):
        assert external(on, authzid) == OK
        assert on.who() == f"dn:{who}"
    for authzid in ("u:hashed", "u2", "dn:uid=nobody-knows", "u:"):
        assert external(on, authzid).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
        assert on.who() == ""
    record = on.records[-1]
    assert (record.reason.value, record.status, record.authzid) == ("authzid-refused", None, "u:")


def test_who_is_no_account_may_act_as_itself_only() -> None:
    on = local()
    assert external(on, f"dn:{PEERCRED}") == OK
    assert on.who() == f"dn:{PEERCRED}"
    assert external(on, f"dn:{U1}").result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert external(on, "u:u1").result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


# The record


def test_a_success_is_written_as_one_and_is_no_windows_event() -> None:
    on = certified(CA.issue(STRANGER, [upn("u1@contoso.com")]))
    external(on)
    line = json.loads(JSONRenderer("ldap1.contoso.com").line(on.records[0], 7))
    assert line["event"]["code"] == "sasl-exchange"
    assert line["event"]["outcome"] == "success"
    assert "winlog" not in line
    assert line["message"] == f"A bind succeeded without a password: cn=stranger is {U1}."
    assert (line["ldap"]["reason"], line["ldap"]["result_code"]) == (None, 0)
    assert line["ldap"]["detail"] == f"cn=stranger is {U1}"


def test_a_bind_that_could_not_be_recorded_fails() -> None:
    on = stage(sinks=[Full()])
    on.session.secured(TLS(bytes(32), CA.issue().der))
    assert external(on).result_code is ResultCode.UNAVAILABLE
    assert on.session.identity.anonymous


def test_the_contexts_of_a_directory_may_be_one_inside_another() -> None:
    suffixes = [DN.parse("dc=contoso,dc=com"), DN.parse("ou=people,dc=contoso,dc=com")]
    directory = MemoryDirectory([("stage", read_ldif(LDIF + POSIX, "stage"))], suffixes=suffixes)
    on = stage(directory=directory, process=Process(1000, 100))
    assert external(on) == OK
    assert on.who() == "dn:uid=posix,ou=people,dc=contoso,dc=com"
