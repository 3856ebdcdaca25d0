"""Accounts that have WDigest hashes and no password: what they bind with, and how a broken value is refused."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from ldapserver.directory.account import Account
from ldapserver.directory.ldif import InvalidLDIF, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schemes import InvalidPassword, StoredWDigest, read_password, read_supplemental_credentials
from ldapserver.wire.messages import ResultCode
from sasl_digest import Password, UsageError, user_properties, wdigest
from sasl_digest.wdigest import forms, hashes, pack, utf8
from tests.server.stage import Stage, simple, stage

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "wdigest.json").read_text(encoding="utf-8"))
# Of AD LDS the names are distinguished names, which are no account names here.
SETS = [pytest.param(each, id=f"{each['sAMAccountName']}-{at}") for at, each in enumerate(VECTORS["sets"][:-1])]


def blob(each: dict[str, Any]) -> bytes:
    return pack([bytes.fromhex(item["hash"]) for item in each["hashes"]])


def entry(name: str, *lines: str, naming: str = "sAMAccountName") -> str:
    return "\n".join(
        [
            "dn:: " + b64encode(f"cn={name},dc=contoso,dc=com".encode()).decode(),
            "objectClass: user",
            f"{naming}:: {b64encode(name.encode()).decode()}",
            *lines,
            "",
        ]
    )


DOMAIN = "dn: dc=contoso,dc=com\nobjectClass: domain\n"


def ldif(*entries: str) -> str:
    return "\n".join([DOMAIN, *entries])


def supplemental(value: bytes, attribute: str = "supplementalCredentials") -> str:
    return f"{attribute}:: {b64encode(value).decode()}"


def of(each: dict[str, Any], *, scheme: bool) -> str:
    """The LDIF of an account of the vectors, in one form or the other."""
    value = blob(each)
    stored = "userPassword: {WDIGEST}" + b64encode(value).decode()
    lines = [stored if scheme else supplemental(wdigest.to_supplemental_credentials(value))]
    if each["userPrincipalName"] is not None:
        lines.append(f"userPrincipalName:: {b64encode(each['userPrincipalName'].encode()).decode()}")
    return ldif(entry(each["sAMAccountName"], *lines))


def account(text: str, name: str, **names: str) -> Account:
    """The account of this name in a directory of this text."""
    directory = MemoryDirectory([("people.ldif", read_ldif(text, "people.ldif"))], **names)  # type: ignore[arg-type]
    with pytest.raises(StopIteration) as found:  # nothing in memory waits
        directory.find_account(name).send(None)
    assert isinstance(found.value.value, Account)
    return found.value.value


U1 = VECTORS["sets"][2]


@pytest.mark.parametrize("scheme", [True, False])
@pytest.mark.parametrize("each", SETS)
def test_an_account_of_the_vectors_offers_its_hash_for_each_of_its_29_pairs(
    each: dict[str, Any], scheme: bool
) -> None:
    found = account(of(each, scheme=scheme), each["sAMAccountName"], netbios=each["netbios"], realm=each["dns"])
    assert found.credential is not None
    for item in each["hashes"]:
        assert list(found.credential.secrets(item["user"], item["realm"])) == [bytes.fromhex(item["hash"])]
    assert not list(found.credential.secrets(each["sAMAccountName"], ""))


@pytest.mark.parametrize("each", SETS)
def test_a_simple_bind_is_checked_against_hash_21(each: dict[str, Any]) -> None:
    (stored,) = account(of(each, scheme=False), each["sAMAccountName"]).passwords
    assert (stored.scheme, stored.dear, stored.cost) == ("WDIGEST", False, 1)
    assert stored.check(each["password"].encode())
    assert not stored.check(each["password"].encode() + b" ")
    assert not stored.check(b"")
    others = blob(each)[:336] + bytes(16) + blob(each)[352:]  # without Hash21
    assert not read_password(b"{WDIGEST}" + b64encode(others), each["sAMAccountName"]).check(
        each["password"].encode()
    )


def test_the_domains_names_are_by_default_those_of_the_first_context_read() -> None:
    found = account(of(U1, scheme=True), "u1")
    assert found.credential is not None
    for item in U1["hashes"]:
        assert list(found.credential.secrets(item["user"], item["realm"])) == [bytes.fromhex(item["hash"])]


def test_every_account_gets_the_names_of_the_domain_and_its_own_principal_name() -> None:
    text = ldif(
        entry("a", supplemental(wdigest.to_supplemental_credentials(blob(U1))), "userPrincipalName: A@x.org"),
        entry("b", "userPassword: {WDIGEST}" + b64encode(blob(U1)).decode()),
        entry("c", "userPassword: {WDIGEST}" + b64encode(blob(U1)).decode(), naming="uid"),
        entry("d", "userPassword: {WDIGEST}" + b64encode(blob(U1)).decode(), naming="cn"),
    )
    expected = {"a": "A@x.org", "b": None, "c": None, "d": None}
    for name, principal_name in expected.items():
        (stored,) = account(text, name, netbios="NB", realm="dns.example").passwords
        assert isinstance(stored, StoredWDigest)
        assert (stored.wdigest.sam_account_name, stored.wdigest.user_principal_name) == (name, principal_name)
        assert (stored.wdigest.netbios, stored.wdigest.dns) == ("NB", "dns.example")


def test_an_account_with_clear_text_and_hashes_offers_both() -> None:
    each = VECTORS["sets"][5]
    text = ldif(entry("Jürgen", supplemental(wdigest.to_supplemental_credentials(blob(each))), "userPassword: other"))
    found = account(text, "jürgen")
    assert found.credential is not None
    offered = list(found.credential.secrets("Jürgen", "CONTOSO"))
    assert offered[0] == bytes.fromhex(each["hashes"][0]["hash"])
    assert offered[1:] == list(Password("other").secrets("Jürgen", "CONTOSO"))
    for password in (b"other", "pässwörd".encode()):
        assert any(stored.check(password) for stored in found.passwords)


def test_two_values_serve_clients_of_both_readings() -> None:
    names = ("Jürgen", None, "CONTOSO", "contoso.com")
    blobs = [pack(hashes("pässwörd", forms(*names))), pack(hashes("pässwörd", forms(*names), utf8))]
    text = ldif(entry("Jürgen", *["userPassword: {WDIGEST}" + b64encode(each).decode() for each in blobs]))
    found = account(text, "Jürgen")
    assert found.credential is not None
    assert list(found.credential.secrets("Jürgen", "CONTOSO")) == [each[16:32] for each in blobs]


@pytest.mark.parametrize(
    "value", [user_properties.encode({}), user_properties.encode({"Primary:Kerberos": b"00"}), bytes(13)]
)
def test_supplemental_credentials_without_wdigest_are_hidden_and_no_password(value: bytes) -> None:
    found = account(ldif(entry("u1", supplemental(value))), "u1")
    assert (found.credential, found.passwords) == (None, ())


def test_the_attribute_is_known_by_its_oid_too() -> None:
    value = wdigest.to_supplemental_credentials(blob(U1))
    assert account(ldif(entry("u1", supplemental(value, "1.2.840.113556.1.4.125"))), "u1").credential is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("userPassword: {WDIGEST}AAAA", "{WDIGEST}: WDIGEST_CREDENTIALS: 3 octets; 480 are right"),
        ("userPassword: {WDIGEST}A", "{WDIGEST}: the blob is not base64"),
        (supplemental(bytes(20)), "supplementalCredentials: USER_PROPERTIES: Length is 0; "),
        (
            supplemental(user_properties.encode({"Primary:WDigest": b"31"})),
            "supplementalCredentials: WDIGEST_CREDENTIALS: 1 octets; 480 are right",
        ),
        (
            "supplementalCredentials: AAAAAIgJAAAAAAAA",
            "supplementalCredentials holds text; in LDIF its base64 stands",
        ),
        ("supplementalCredentials:", "supplementalCredentials holds text"),
    ],
)
def test_a_malformed_value_is_refused_with_file_line_and_rule(line: str, said: str) -> None:
    with pytest.raises(InvalidLDIF) as refused:
        account(ldif(entry("u1", line)), "u1")
    assert str(refused.value).startswith("people.ldif:4: cn=u1,dc=contoso,dc=com: " + said)


def test_the_engines_refusal_is_ours() -> None:
    with pytest.raises(UsageError):
        wdigest.from_supplemental_credentials(bytes(20))
    with pytest.raises(InvalidPassword):
        read_supplemental_credentials(bytes(20), "u1")


def test_no_repr_shows_a_hash() -> None:
    found = account(of(U1, scheme=False), "u1")
    shown = repr(found.passwords) + repr(found.credential)
    assert "b'" not in shown
    assert U1["hashes"][0]["hash"] not in shown


# Over a session


def hashed() -> Stage:
    """A server whose u1 has the hashes of Samba's u1, and nothing else."""
    return stage(of(U1, scheme=False))


@pytest.mark.parametrize("item", U1["hashes"], ids=lambda item: f"{item['index']}")
def test_each_form_binds_over_a_session(item: dict[str, Any]) -> None:
    session = hashed()
    response = session.digest(item["user"], "password", realm=item["realm"])
    assert response.result_code is ResultCode.SUCCESS, session.reasons
    assert session.who() == "dn:cn=u1,dc=contoso,dc=com"
    assert [(record.status, record.account) for record in session.verdicts] == [(0, item["user"])]


@pytest.mark.parametrize(
    ("username", "password", "realm", "reason"),
    [
        ("u1", "Password", "CONTOSO", "wrong-password"),
        ("u1", "password", "", "no-usable-secret"),
        ("u1", "password", None, "no-usable-secret"),
        ("u1", "password", "Contoso", "no-usable-secret"),
        ("u1@contoso.com", "password", "contoso.com", "no-usable-secret"),
    ],
)
def test_what_no_hash_proves_is_refused_and_the_record_says_why(
    username: str, password: str, realm: str | None, reason: str
) -> None:
    session = hashed()
    response = session.digest(username, password, realm=realm)
    assert response.result_code is ResultCode.INVALID_CREDENTIALS
    assert session.reasons[-1] == reason


def test_a_simple_bind_with_the_password_succeeds_and_with_a_hash_does_not() -> None:
    session = hashed()
    dn = "cn=u1,dc=contoso,dc=com"
    assert session.bind(simple(dn, "password")).result_code is ResultCode.SUCCESS
    for wrong in ("Password", U1["hashes"][20]["hash"], bytes.fromhex(U1["hashes"][20]["hash"])):
        assert session.bind(simple(dn, wrong)).result_code is ResultCode.INVALID_CREDENTIALS
