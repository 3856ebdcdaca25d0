"""What entries that are loaded lack is worked out once for each make: it is what would be worked out for each."""

from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from ldapserver.directory.ad import account_control
from ldapserver.directory.ad.completion import Creation, Kind, complete, kind_of
from ldapserver.directory.ad.constructed import as_stored
from ldapserver.directory.ad.guid import derived_guid
from ldapserver.directory.ad.makes import Makes
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.contents import Contents
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import EntryRecord, read_ldif
from ldapserver.directory.loading import MOST_SHARED, Loading
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.operational import Operational
from ldapserver.directory.schema import core, load_schema
from ldapserver.directory.transaction import Transaction, anything
from ldapserver.wire.dn import AVA, DN

SCHEMA = DN.parse("CN=Schema,CN=Configuration,DC=contoso,DC=com")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SID = b"\1\1\0\0\0\0\0\5\1\2\3\4"

CLASSES = (
    "user",
    "USER",
    "inetOrgPerson",
    "computer",
    "group",
    "contact",
    "builtinDomain",
    "domainDNS",
    "device",
    "x",
)
# All that completion looks at or fills in, and some besides; one in another letter case, some that are not stored.
VALUES = {
    **dict.fromkeys(("cn", "description", "UID", "sAMAccountName", "memberOf", "distinguishedName"), ("a", "b")),
    **dict.fromkeys(
        ("objectGUID", "objectSid", "objectCategory", "whenCreated", "uSNCreated", "USNCHANGED"), ("a", "b")
    ),
    **dict.fromkeys(("userAccountControl", "useraccountcontrol"), ("512", "530", "4096", "x")),
    "groupType": ("2", "-2147483644", "x"),
    "pwdLastSet": ("-1", "0", "133000000000000000"),
    **dict.fromkeys(("primaryGroupID", "instanceType", "accountExpires", "badPwdCount"), ("0", "513")),
}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    rdn = AVA(draw(st.sampled_from(("cn", "uid", "UserID", "OU"))), draw(st.sampled_from((b"a", b"b"))))
    classes = draw(st.lists(st.sampled_from(CLASSES), unique=True, max_size=3))
    attributes = [("objectClass", tuple([name.encode() for name in classes]))]
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=5)):
        values = draw(st.lists(st.sampled_from(VALUES[name]), unique=True, max_size=2))
        attributes.append((name, tuple([value.encode() for value in values])))
    return Entry(DN(((rdn,), *DN.parse("DC=contoso,DC=com").rdns)), attributes)


def alone(entry: Entry, usn: int, *, head: bool, password: bool) -> list[tuple[str, tuple[bytes, ...]]]:
    """The attributes of a loaded entry that nothing is known about from others."""
    kind = kind_of(entry.get("objectClass"))
    attributes = as_stored(entry)
    if kind is Kind.BUILTIN_DOMAIN and not entry.get("objectSid"):
        attributes = [each for each in attributes if each[0] != "objectSid"] + [("objectSid", (SID,))]
    if kind.is_account and password and "pwdLastSet" not in entry:
        attributes.append(("pwdLastSet", (b"-1",)))
    control = account_control.of_loaded(computer=kind is Kind.COMPUTER, password=password)
    guid = derived_guid(str(entry.dn))
    return complete(
        attributes,
        Creation(
            *(entry.dn, SCHEMA, NOW, usn, guid, SID),
            naming_context_head=head,
            control=control,
            account_name=lambda: "made-up",
        ),
    )


@given(st.lists(st.tuples(entries(), st.booleans(), st.booleans()), min_size=2, max_size=8))
def test_an_entry_is_completed_as_it_would_be_alone(loaded: list[tuple[Entry, bool, bool]]) -> None:
    makes = Makes(SCHEMA, NOW)
    for usn, (entry, head, password) in enumerate(loaded * 2, 1):  # of the second ones every make is known
        make = makes.of(entry, head=head, password=password)
        completed = make.completed(
            entry, usn, SID if make.lacks_sid else None, "made-up" if make.lacks_account_name else None
        )
        assert sorted(completed) == sorted(alone(entry, usn, head=head, password=password))
        assert completed.dn is entry.dn


def test_what_decides_makes_another_make() -> None:
    makes = Makes(SCHEMA, NOW)

    def make(name: str = "cn=a", *, head: bool = False, password: bool = False, **given: str) -> object:
        attributes = [(each, (value.encode(),)) for each, value in ({"objectClass": "user"} | given).items()]
        return makes.of(Entry(DN.parse(name), attributes), head=head, password=password)

    assert make() is make() is make("cn=b")
    assert make(pwdLastSet="1", cn="a") is make(pwdLastSet="2", cn="b")
    others = [
        *(make(), make("uid=a"), make(head=True), make(password=True), make(objectClass="group"), make(cn="a")),
        *(make(userAccountControl="512"), make(userAccountControl="514")),
        *(make(objectClass="group", groupType="2"), make(objectClass="group", groupType="4")),
        *(make(pwdLastSet="1"), make(pwdLastSet="-1")),
    ]
    assert len(set(map(id, others))) == len(others)


def test_entries_alike_in_all_that_may_name_an_account() -> None:
    names = Contents(core(), Operational()).names
    old = Entry(DN.parse("cn=a"), [("cn", (b"a",)), ("sn", (b"s",))])
    assert names.alike(old, Entry(old.dn, [("sn", (b"t",)), ("CN", (b"a",)), ("mail", (b"m",))]))
    for name in ("cn", "uid", "sAMAccountName", "userPrincipalName"):
        assert not names.alike(old, Entry(old.dn, dict([*old, (name, (b"b",))]).items()))


LINES = (
    *("cn: a", "uid: b", "sAMAccountName: c", "userPrincipalName: d@contoso.com", "sn: e"),
    *("userPassword: secret", "userPassword: {SSHA}9W4QRbVbUJ0Dh7fk2RPgKgoKCgpkZWFk", "userAccountControl: 514"),
    *("manager: CN=0,dc=contoso,dc=com", "authzTo: u:0", "accountExpires: 1"),
)


def text_of(people: list[tuple[str, str, list[str]]]) -> Iterator[str]:
    yield "dn: DC=contoso,DC=com\nobjectClass: domainDNS\n"
    for number, (naming, object_class, lines) in enumerate(people):
        yield "\n".join([f"dn: {naming}={number},DC=contoso,DC=com", f"objectClass: {object_class}", *lines]) + "\n"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("cn", "uid", "ou")),
            st.sampled_from(("user", "inetOrgPerson", "group", "person", "device")),
            st.lists(st.sampled_from(LINES), unique=True, max_size=5),
        ),
        max_size=5,
    )
)
@example([("cn", "user", ["userPassword: secret"])])  # known by its cn, until it has a sAMAccountName
@example([("cn", "group", ["userPassword: secret"]), ("uid", "user", ["uid: b"])])
def test_accounts_and_names_are_those_of_the_completed_entries(people: list[tuple[str, str, list[str]]]) -> None:
    schema = load_schema((), active_directory=True).schema
    records = list(read_ldif("\n".join(text_of(people)), "x"))
    directory = MemoryDirectory([("x", records)], schema=schema, profile=ActiveDirectory())
    contents = directory._contents
    names = contents.names.kept()
    for node in contents.root.subtree():
        if node.entry is None:
            continue
        # As an entry that is written is stood there: its account read anew, its names taken out and put in again.
        assert node.account == contents.account_of(node.entry, node.secrets)
        contents.become(node, node.dn, node.entry, node.secrets, None, node.since)
        account = contents.account_of(node.entry, node.secrets)
        contents.become(node, node.dn, node.entry, node.secrets, account, node.since)
    again = contents.names.kept()
    assert {key: at if isinstance(at, dict) else {at: None} for key, at in names.items()} == {
        key: at if isinstance(at, dict) else {at: None} for key, at in again.items()
    }


def test_values_that_repeat_are_kept_once_and_others_not_looked_at_for_ever() -> None:
    contents = Contents(core(), Operational())
    loading = Loading(contents, raising, anything)
    many = MOST_SHARED + 10
    for number in range(many):
        attributes = tuple([(name, (value,)) for name, value in (("cn", b"%d" % number), ("sn", b"of %s" % b"all"))])
        loading.take(EntryRecord(DN.parse(f"cn={number},o=x"), attributes, number), "x")
    people = [entry for node in contents.root.subtree() if (entry := node.entry) is not None]
    assert len({id(entry.get("sn")) for entry in people}) == 1
    assert [entry.get("cn") for entry in people] == [(b"%d" % number,) for number in range(many)]
    assert list(loading._shared) == ["sn"]


def raising() -> Transaction:
    raise AssertionError("nothing is changed")
