"""Names other than DNs: in brackets, canonical, and what a simple bind may be given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.ad.bind_names import Candidate, NameForm, candidates
from ldapserver.directory.ad.canonical import CanonicalName, canonical_name, parse_canonical
from ldapserver.directory.ad.containers import well_known_container, well_known_objects
from ldapserver.directory.ad.dn_forms import ByGUID, BySID, ByWellKnownGUID, DNForm, parse_dn_form
from ldapserver.directory.ad.guid import parse_guid
from ldapserver.directory.ad.sid import parse_sid
from ldapserver.wire.dn import AVA, DN, InvalidDN
from ldapserver.wire.filters import Equality

DOMAIN = DN.parse("DC=contoso,DC=com")
GUID = "10015663-e1f7-11d1-a6bf-aaaf842b9cfa"
USERS = "A9D1CA15768811D1ADED00C04FD8D5CD"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (f"<GUID={GUID}>", ByGUID(parse_guid(GUID))),
        ("<guid=63560110F7E1D111A6BFAAAF842B9CFA>", ByGUID(parse_guid(GUID))),
        ("<SID=S-1-5-32-544>", BySID(parse_sid("S-1-5-32-544"))),
        ("<SID=01020000000000052000000020020000>", BySID(parse_sid("S-1-5-32-544"))),
        (f"<WKGUID={USERS},DC=contoso,DC=com>", ByWellKnownGUID(parse_guid(USERS), DOMAIN)),
        (f"<WKGUID={USERS.lower()}, DC=contoso,DC=com>", ByWellKnownGUID(parse_guid(USERS), DOMAIN)),
        (f"<GUID={GUID}>;<SID=S-1-5-32-544>;CN=a,DC=contoso,DC=com", ByGUID(parse_guid(GUID))),
        ("CN=a,DC=contoso,DC=com", None),
        ("", None),
    ],
)
def test_name_in_brackets(text: str, form: DNForm | None) -> None:
    assert parse_dn_form(text) == form


@pytest.mark.parametrize(
    "text",
    [
        *(
            "<",
            "<>",
            "<GUID>",
            "<GUID=>",
            "<GUID=1>",
            "<SID=>",
            "<SID=0102>",
            "<SID=S-1>",
            "<UUID=1>",
            f"<GUID={GUID}",
        ),
        *(
            f"<GUID={GUID}>x",
            f"<WKGUID={USERS}>",
            f"<WKGUID={USERS},>",
            f"<WKGUID={GUID},DC=com>",
            f"<WKGUID={USERS},com>",
        ),
    ],
)
def test_name_in_brackets_that_is_none(text: str) -> None:
    with pytest.raises(InvalidDN):
        parse_dn_form(text)


def test_well_known_containers() -> None:
    assert well_known_container(parse_guid(USERS), DOMAIN) == DN.parse("CN=Users,DC=contoso,DC=com")
    controllers = well_known_container(parse_guid("A361B2FFFFD211D1AA4B00C04FD7D83A"), DOMAIN)
    assert controllers == DN.parse("OU=Domain Controllers,DC=contoso,DC=com")
    assert well_known_container(parse_guid(GUID), DOMAIN) is None
    assert f"B:32:{USERS}:CN=Users,DC=contoso,DC=com" in well_known_objects(DOMAIN)


@pytest.mark.parametrize(
    ("dn", "name"),
    [
        ("CN=Alice Apple,OU=People,DC=contoso,DC=com", "contoso.com/People/Alice Apple"),
        ("DC=contoso,DC=com", "contoso.com/"),
        (r"CN=a/b\\c,DC=contoso,DC=com", r"contoso.com/a\/b\\c"),
        ("CN=no domain", None),
        ("", None),
        ("CN=#0401ff,DC=com", None),
    ],
)
def test_canonical_name(dn: str, name: str | None) -> None:
    assert canonical_name(DN.parse(dn)) == name
    if name is not None:
        parsed = parse_canonical(name)
        assert parsed is not None
        assert str(parsed) == name
        assert parsed.names(DN.parse(dn))


def test_canonical_name_is_compared_without_case() -> None:
    name = parse_canonical("CONTOSO.com/people/alice  apple")
    assert name is not None
    assert name.names(DN.parse("CN=Alice Apple,OU=People,DC=contoso,DC=com"))
    assert not name.names(DN.parse("CN=Alice Apple,OU=Other,DC=contoso,DC=com"))
    assert not name.names(DN.parse("CN=Alice Apple,OU=People,DC=fabrikam,DC=com"))
    assert not name.names(DN.parse("CN=Alice Apple"))


@pytest.mark.parametrize(
    "text", ["", "contoso.com", "/", "/a", "contoso.com//a", "contoso.com/a/", "contoso.com/a\\"]
)
def test_text_that_is_no_canonical_name(text: str) -> None:
    assert parse_canonical(text) is None


# Values as DNs hold them, above all those that a canonical name escapes.
values = st.lists(st.text(st.sampled_from("aZ /\\,é+"), min_size=1), max_size=4)


@given(values)
def test_canonical_name_comes_back(path: list[str]) -> None:
    dn = DN((*[(AVA("CN", value.encode()),) for value in reversed(path)], *DOMAIN.rdns))
    assert parse_canonical(str(canonical_name(dn))) == CanonicalName("contoso.com", tuple(path))


def forms(name: str) -> list[tuple[NameForm, object]]:
    found = candidates(name, dns_domain="contoso.com", netbios="CONTOSO", suffixes=("sales.example",))
    return [(each.form, each.target) for each in found]


DISPLAY = NameForm.DISPLAY_NAME


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", []),
        ("alice", [(DISPLAY, Equality("displayName", b"alice"))]),
        (
            "alice@Contoso.com",
            [
                (NameForm.USER_PRINCIPAL_NAME, Equality("userPrincipalName", b"alice@Contoso.com")),
                (NameForm.IMPLICIT_PRINCIPAL_NAME, Equality("sAMAccountName", b"alice")),
                (DISPLAY, Equality("displayName", b"alice@Contoso.com")),
            ],
        ),
        (
            "alice@sales.example",
            [
                (NameForm.USER_PRINCIPAL_NAME, Equality("userPrincipalName", b"alice@sales.example")),
                (NameForm.IMPLICIT_PRINCIPAL_NAME, Equality("sAMAccountName", b"alice")),
                (DISPLAY, Equality("displayName", b"alice@sales.example")),
            ],
        ),
        (
            "alice@other.example",
            [
                (NameForm.USER_PRINCIPAL_NAME, Equality("userPrincipalName", b"alice@other.example")),
                (DISPLAY, Equality("displayName", b"alice@other.example")),
            ],
        ),
        (
            r"contoso\alice",
            [
                (NameForm.NT4, Equality("sAMAccountName", b"alice")),
                (DISPLAY, Equality("displayName", rb"contoso\alice")),
            ],
        ),
        (r"OTHER\alice", [(DISPLAY, Equality("displayName", rb"OTHER\alice"))]),
        (
            "ldap/dc1.contoso.com",
            [
                (NameForm.CANONICAL, CanonicalName("ldap", ("dc1.contoso.com",))),
                (DISPLAY, Equality("displayName", b"ldap/dc1.contoso.com")),
                (NameForm.SERVICE_PRINCIPAL_NAME, Equality("servicePrincipalName", b"ldap/dc1.contoso.com")),
            ],
        ),
        (
            f"{{{GUID}}}",
            [
                (NameForm.GUID, Equality("objectGUID", parse_guid(GUID))),
                (DISPLAY, Equality("displayName", f"{{{GUID}}}".encode())),
            ],
        ),
        ("{me}", [(DISPLAY, Equality("displayName", b"{me}"))]),
        (
            "S-1-5-32-544",
            [
                (DISPLAY, Equality("displayName", b"S-1-5-32-544")),
                (NameForm.SID, Equality("objectSid", parse_sid("S-1-5-32-544"))),
                (NameForm.SID_HISTORY, Equality("sIDHistory", parse_sid("S-1-5-32-544"))),
            ],
        ),
        (
            "contoso.com/People\nAlice",
            [
                (NameForm.CANONICAL, CanonicalName("contoso.com", ("People\nAlice",))),
                (DISPLAY, Equality("displayName", b"contoso.com/People\nAlice")),
                (NameForm.SERVICE_PRINCIPAL_NAME, Equality("servicePrincipalName", b"contoso.com/People\nAlice")),
                (NameForm.CANONICAL_EXTENDED, CanonicalName("contoso.com", ("People", "Alice"))),
            ],
        ),
    ],
)
def test_name_of_a_bind_is_read_in_all_forms_that_it_can_be_of(
    name: str, found: list[tuple[NameForm, object]]
) -> None:
    assert forms(name) == found


def test_dn_comes_first() -> None:
    (first, *_) = candidates("CN=a@b,DC=contoso,DC=com", dns_domain="contoso.com", netbios="CONTOSO")
    assert first == Candidate(NameForm.DN, DN.parse("CN=a@b,DC=contoso,DC=com"))


@given(st.text())
def test_forms_keep_the_order_of_the_document(name: str) -> None:
    order = list(NameForm)
    places = [order.index(form) for form, _ in forms(name)]
    assert places == sorted(places)
