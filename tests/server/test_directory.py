"""The directory in memory: what it takes from LDIF, who answers to a name, what a search finds and never shows."""

import hashlib
import string
import tracemalloc
from base64 import b64encode
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry, is_password
from ldapserver.directory.evaluation import compile_filter
from ldapserver.directory.index import STEP
from ldapserver.directory.ldif import EntryRecord, InvalidLDIF, read_ldif
from ldapserver.directory.memory import BATCH, FOUND, MemoryDirectory
from ldapserver.directory.names import folded
from ldapserver.directory.schemes import PBKDF2, StoredHA1
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.filters import And, Equality, Filter, Not, Or, Present, parse_filter
from ldapserver.wire.messages import Scope
from sasl_digest import user_properties

T = TypeVar("T")

SUFFIX = "dn: dc=contoso,dc=com\nobjectClass: domain\ndc: contoso\n\n"
PEOPLE = "dn: ou=people,dc=contoso,dc=com\nobjectClass: organizationalUnit\nou: people\n\n"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


def directory(ldif: str, suffixes: Iterable[str] = (), **domain: str) -> MemoryDirectory:
    records = read_ldif(ldif, "test.ldif")
    return MemoryDirectory.from_records(records, list(map(DN.parse, suffixes)), source="test.ldif", **domain)


def find(where: MemoryDirectory, name: str) -> Account | None:
    return run(where.find_account(name))


def search(
    where: MemoryDirectory, filter: str | Filter, base: str = "", scope: Scope = Scope.WHOLE_SUBTREE
) -> list[str]:
    """The names of what a search finds, in order."""

    async def names() -> list[str]:
        meant = parse_filter(filter) if isinstance(filter, str) else filter
        return [str(entry.dn) async for batch in where.search(DN.parse(base), scope, meant) for entry in batch]

    return run(names())


def test_it_is_a_directory() -> None:
    where: Directory = MemoryDirectory()
    assert where.naming_contexts == ()
    assert run(where.find_account("anybody")) is None
    assert run(where.read(DN.parse("dc=com"))) is None
    assert run(where.matched(DN.parse("dc=com"))) == ROOT


# Loading


def test_the_naming_contexts_are_the_entries_with_none_above_them() -> None:
    where = directory(SUFFIX + PEOPLE + "dn: o=Acme\nobjectClass: organization\no: Acme\n\n")
    assert list(map(str, where.naming_contexts)) == ["dc=contoso,dc=com", "o=Acme"]


def test_a_child_may_stand_before_its_parent() -> None:
    where = directory(PEOPLE + SUFFIX)
    assert list(map(str, where.naming_contexts)) == ["dc=contoso,dc=com"]
    assert search(where, "(objectClass=*)") == ["dc=contoso,dc=com", "ou=people,dc=contoso,dc=com"]


def test_an_entry_in_the_air_below_another_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:5: there is no entry ou=people,dc=contoso,dc=com above cn=a,"):
        directory(SUFFIX + "dn: cn=a,ou=people,dc=contoso,dc=com\nobjectClass: device\ncn: a\n")


def test_with_a_suffix_a_missing_parent_is_refused() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:1: there is no entry ou=people,dc=contoso,dc=com above cn=a,"):
        directory("dn: cn=a,ou=people,dc=contoso,dc=com\nobjectClass: device\ncn: a\n", ["dc=contoso,dc=com"])


def test_an_entry_outside_the_suffixes_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:5: o=Acme is not below dc=contoso,dc=com$"):
        directory(SUFFIX + "dn: o=Acme\nobjectClass: organization\no: Acme\n", ["dc=contoso,dc=com"])


def test_a_second_entry_of_one_name_is_refused_with_both_lines() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:9: DC=Contoso,dc=com stands at test.ldif:1 already$"):
        directory(SUFFIX + PEOPLE + "dn: DC=Contoso,dc=com\nobjectClass: domain\ndc: contoso\n")


def test_the_root_dse_is_not_loaded() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:1: the entry has no name"):
        directory("dn:\nobjectClass: top\n")


def test_add_records_are_entries() -> None:
    added = "dn: dc=contoso,dc=com\nchangetype: add\nobjectClass: domain\ndc: contoso\n\n"
    assert search(directory(added), "(dc=contoso)") == ["dc=contoso,dc=com"]


def test_files_are_read_one_after_the_other_and_errors_name_the_right_one() -> None:
    files = [("a.ldif", read_ldif(SUFFIX, "a.ldif")), ("b.ldif", read_ldif(PEOPLE + PEOPLE, "b.ldif"))]
    with pytest.raises(InvalidLDIF, match=r"^b.ldif:5: .* stands at b.ldif:1 already$"):
        MemoryDirectory(files)


@pytest.mark.parametrize(
    ("suffix", "object_class"),
    [
        ("dc=example,dc=com", b"domain"),
        ("o=Acme", b"organization"),
        ("ou=a,o=b", b"organizationalUnit"),
        ("cn=x", b"extensibleObject"),
    ],
)
def test_a_suffix_without_an_entry_gets_one(suffix: str, object_class: bytes) -> None:
    where = directory("", [suffix])
    entry = run(where.read(DN.parse(suffix)))
    assert entry is not None
    assert entry.get("objectClass") == (b"top", object_class)
    ava = entry.dn.rdns[0][0]
    assert entry.get(ava.type) == (ava.value,)
    assert where.naming_contexts == (DN.parse(suffix),)


def test_a_suffix_with_an_entry_keeps_it() -> None:
    where = directory(SUFFIX, ["DC=contoso,DC=com"])
    entry = run(where.read(DN.parse("dc=contoso,dc=com")))
    assert entry is not None
    assert entry.get("objectClass") == (b"domain",)


def test_what_names_an_entry_is_among_its_values_once() -> None:
    where = directory("dn: CN=Alice+employeeNumber=7,dc=x\nobjectClass: person\ncommonName: alice\nsn: L\n")
    (name,) = search(where, "(employeeNumber=7)")
    entry = run(where.read(DN.parse(name)))
    assert entry is not None
    assert entry.attributes[:4] == (
        ("objectClass", (b"person",)),
        ("commonName", (b"alice",)),
        ("sn", (b"L",)),
        ("employeeNumber", (b"7",)),
    )


def test_what_names_an_entry_joins_the_values_that_stand_under_another_name_of_its_type() -> None:
    where = directory("dn: commonName=Alice+2.5.4.4=Liddell,dc=x\nobjectClass: person\nCN: Alix\nsn: L\n")
    (name,) = search(where, "(cn=alice)")
    entry = run(where.read(DN.parse(name)))
    assert entry is not None
    assert entry.attributes[:3] == (
        ("objectClass", (b"person",)),
        ("CN", (b"Alix", b"Alice")),
        ("sn", (b"L", b"Liddell")),
    )


# Entries


def test_an_entry_keeps_order_and_spelling_and_is_read_in_any_case() -> None:
    entry = Entry(ROOT, [("SN", [b"x"]), ("cn", [b"1"]), ("sn", [b"y", b"x"]), ("cn;lang-de", [b"2"])])
    assert list(entry) == [("SN", (b"x", b"y")), ("cn", (b"1",)), ("cn;lang-de", (b"2",))]
    assert entry.get("CN") == (b"1",)
    assert entry.get("mail") == ()
    assert "Sn" in entry
    assert "mail" not in entry
    assert "b'x'" not in repr(entry)


# Accounts

ACCOUNTS = (
    SUFFIX
    + PEOPLE
    + """\
dn: uid=alice,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice Liddell
sn: Liddell
userPassword: wonderland

dn: cn=Robert,ou=people,dc=contoso,dc=com
objectClass: user
cn: Robert
sAMAccountName: Bob
uid: rob
userPrincipalName: robert@mail.example
unicodePwd:: AAAA

dn: cn=Carol Smith,ou=people,dc=contoso,dc=com
objectClass: person
cn: Carol Smith
cn: carol
sn: Smith
userPassword: {SSHA}HB8799DS29q90NsFsYeLbXutmVfAu2Q7

dn: cn=staff,ou=people,dc=contoso,dc=com
objectClass: groupOfNames
cn: staff
member: uid=alice,ou=people,dc=contoso,dc=com

dn: ou=desk,ou=people,dc=contoso,dc=com
objectClass: organizationalUnit
ou: desk
userPassword: with a password
"""
)
THERE = directory(ACCOUNTS)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("alice", "alice"),
        ("ALICE", "alice"),
        ("Alice Liddell", None),  # cn counts only where there is nothing better
        ("bob", "Bob"),
        ("rob", "Bob"),
        ("Robert", None),
        ("robert@mail.example", "Bob"),
        ("ROBERT@MAIL.EXAMPLE", "Bob"),
        ("bob@contoso.com", None),  # who has a userPrincipalName has no implicit one
        ("alice@contoso.com", "alice"),
        ("alice@Contoso.COM", "alice"),
        ("alice@other.com", None),
        ("alice@", None),
        ("@contoso.com", None),
        ("CONTOSO\\alice", "alice"),
        ("contoso\\ALICE", "alice"),
        ("CONTOSO\\\\alice", "alice"),
        ("CONTOSO\\\\\\alice", None),
        ("CONTOSO\\rob", "Bob"),
        ("CONTOSO\\carol", None),  # a cn is no name in a domain
        ("CONTOSO\\robert@mail.example", None),
        ("OTHER\\alice", None),
        ("\\alice", None),
        ("CONTOSO\\", None),
        ("carol", "Carol Smith"),
        ("carol smith", "Carol Smith"),
        ("staff", None),  # a group
        ("desk", None),  # an account, but by its DN alone
        ("nobody", None),
        ("", None),
        ("alice\0", None),
        ("ali\u00adce", None),  # a soft hyphen, which matching would skip
        ("\ud800", None),
    ],
)
def test_who_answers_to_a_name(typed: str, expected: str | None) -> None:
    account = find(THERE, typed)
    assert (account.name if account else None) == expected


def test_the_domain_has_the_names_it_is_given() -> None:
    where = directory(ACCOUNTS, realm="corp.example", netbios="CORP")
    assert find(where, "CORP\\alice") is find(where, "alice@corp.example") is find(where, "alice") is not None
    assert find(where, "CONTOSO\\alice") is find(where, "alice@contoso.com") is None


def test_the_domain_is_named_after_the_first_naming_context() -> None:
    assert (THERE.realm, THERE.netbios) == ("contoso.com", "CONTOSO")
    acme = directory("", ["o=Acme"])
    assert (acme.realm, acme.netbios) == ("Acme", "ACME")


def test_an_account_says_which_secrets_it_has() -> None:
    alice, bob, carol = (find(THERE, name) for name in ("alice", "bob", "carol"))
    assert alice and alice.credential and alice.passwords[0].check(b"wonderland")  # noqa: PT018
    assert list(alice.credential.secrets("alice", "r")) == [hashlib.md5(b"alice:r:wonderland").digest()]
    assert bob and bob.credential is None and bob.passwords == ()  # noqa: PT018
    assert carol and carol.credential is None and carol.passwords[0].check("s3cret, pässword".encode())  # noqa: PT018


def test_an_account_is_found_by_its_dn() -> None:
    alice = run(THERE.account_at(DN.parse("UID=Alice, OU=People, DC=contoso, DC=com")))
    assert alice is find(THERE, "alice") is not None
    desk = run(THERE.account_at(DN.parse("ou=desk,ou=people,dc=contoso,dc=com")))
    assert desk is not None
    assert desk.name == "desk"
    assert desk.passwords[0].check(b"with a password")
    assert run(THERE.account_at(DN.parse("cn=staff,ou=people,dc=contoso,dc=com"))) is None
    assert run(THERE.account_at(DN.parse("dc=com"))) is None


@pytest.mark.parametrize("name", ["twice", "TWICE", "CONTOSO\\twice", "twice@contoso.com"])
def test_a_name_of_two_entries_is_ambiguous(name: str) -> None:
    where = directory(
        SUFFIX
        + "dn: uid=twice,dc=contoso,dc=com\nobjectClass: account\nuid: twice\n\n"
        + "dn: cn=b,dc=contoso,dc=com\nobjectClass: user\ncn: b\nsAMAccountName: Twice\n"
    )
    with pytest.raises(AmbiguousName, match="2 entries"):
        find(where, name)
    assert search(where, "(uid=twice)") == ["uid=twice,dc=contoso,dc=com"]


@given(st.text(min_size=1) | st.text(string.printable, min_size=1) | st.text("aB №Ⅷﬁｋ\u212a\u0130", min_size=1))
def test_what_is_compared_and_ascii_is_compared_as_it_stands(name: str) -> None:
    """So a name that is a key may be looked up at once."""
    key = folded(name)
    if key is not None and key.isascii():
        assert folded(key) == key


@pytest.mark.parametrize("typed", ["no", "No", "NO", "№"])
def test_an_account_is_found_however_its_name_is_typed(typed: str) -> None:
    where = directory(SUFFIX + "dn: uid=№,dc=contoso,dc=com\nobjectClass: account\nuid: №\n")
    account = find(where, typed)
    assert account is not None
    assert account.name == "№"


def test_one_entry_under_two_attributes_is_not_ambiguous() -> None:
    where = directory(SUFFIX + "dn: uid=a,dc=contoso,dc=com\nobjectClass: user\nuid: a\nsAMAccountName: A\n")
    account = find(where, "a")
    assert account is not None
    assert account.name == "A"  # sAMAccountName first


def test_an_explicit_and_an_implicit_principal_name_are_ambiguous_together() -> None:
    where = directory(
        SUFFIX
        + "dn: uid=a,dc=contoso,dc=com\nobjectClass: account\nuid: a\n\n"
        + "dn: uid=b,dc=contoso,dc=com\nobjectClass: user\nuid: b\nuserPrincipalName: a@contoso.com\n"
    )
    with pytest.raises(AmbiguousName):
        find(where, "a@contoso.com")


def test_ha1_is_made_of_the_name_of_the_account() -> None:
    stored = hashlib.md5(b"Bob:CONTOSO:pw").hexdigest()
    where = directory(
        SUFFIX
        + "dn: cn=x,dc=contoso,dc=com\nobjectClass: user\ncn: x\nsAMAccountName: Bob\n"
        + f"userPassword: {{HA1}}CONTOSO:{stored}\n"
    )
    account = find(where, "bob")
    assert account is not None
    assert isinstance(account.passwords[0], StoredHA1)
    assert account.passwords[0].check(b"pw")


def test_every_value_of_every_password_attribute_counts() -> None:
    where = directory(SUFFIX + "dn: uid=a,dc=contoso,dc=com\nuid: a\nuserPassword: 1\nUSERPASSWORD: 2\n2.5.4.35: 3\n")
    account = find(where, "a")
    assert account is not None
    assert all(any(stored.check(typed) for stored in account.passwords) for typed in (b"1", b"2", b"3"))


def test_a_stored_password_of_unknown_form_is_refused_with_file_line_and_name() -> None:
    with pytest.raises(InvalidLDIF, match=r"^test.ldif:5: uid=a,dc=contoso,dc=com: \{MD5\} is no scheme") as refused:
        directory(SUFFIX + "dn: uid=a,dc=contoso,dc=com\nuid: a\nuserPassword: {MD5}c2VjcmV0\n")
    assert "c2VjcmV0" not in str(refused.value)


def test_the_decoy_is_noise_under_the_dearest_scheme_present() -> None:
    (plain,) = THERE.decoy.passwords
    assert plain.cost == 1  # {SSHA} is the dearest there
    assert not plain.check("s3cret, pässword".encode())
    dear = "{PBKDF2-SHA256}1000$AAAAAAAA$" + "A" * 43
    dearest = dear.replace("1000", "2000")
    where = directory(
        SUFFIX
        + f"dn: uid=a,dc=contoso,dc=com\nuid: a\nuserPassword: {dearest}\n\n"
        + f"dn: uid=b,dc=contoso,dc=com\nuid: b\nuserPassword: {dear}\n\n"
        + "dn: uid=c,dc=contoso,dc=com\nuid: c\nuserPassword: c\n"
    )
    (stored,) = where.decoy.passwords
    assert isinstance(stored, PBKDF2)
    assert (stored.iterations, stored.dear, where.decoy.credential) == (2000, True, None)
    assert len(directory(SUFFIX).decoy.passwords) == 1  # where there is no password at all, one of no cost


# Reading


def test_the_deepest_entry_on_the_way_is_what_matched() -> None:
    deepest = {
        "cn=x,ou=People,dc=contoso,dc=com": "ou=people,dc=contoso,dc=com",
        "cn=x,cn=y,dc=Contoso,dc=com": "dc=contoso,dc=com",
        "dc=contoso,dc=com": "dc=contoso,dc=com",
        "dc=other,dc=com": "",  # dc=com is no entry
        "": "",
    }
    assert {name: str(run(THERE.matched(DN.parse(name)))) for name in deepest} == deepest


def test_an_entry_is_read_by_any_spelling_of_its_name() -> None:
    entry = run(THERE.read(DN.parse("0.9.2342.19200300.100.1.1=ALICE;ou=people,dc=contoso,dc=com")))
    assert entry is not None
    assert str(entry.dn) == "uid=alice,ou=people,dc=contoso,dc=com"
    assert run(THERE.read(DN.parse("dc=com"))) is None  # only on the way to others


def test_operational_attributes_are_computed() -> None:
    def operational(name: str) -> dict[str, tuple[bytes, ...]]:
        entry = run(THERE.read(DN.parse(name)))
        assert entry is not None
        return {each.name: each.values(entry) for each in THERE.computed.values()}

    assert operational("uid=alice,ou=people,dc=contoso,dc=com") == {
        "entryDN": (b"uid=alice,ou=people,dc=contoso,dc=com",),
        "subschemaSubentry": (b"cn=Subschema",),
        "hasSubordinates": (b"FALSE",),
        "numSubordinates": (b"0",),
    }
    assert operational("ou=people,dc=contoso,dc=com")["hasSubordinates"] == (b"TRUE",)
    assert operational("ou=people,dc=contoso,dc=com")["numSubordinates"] == (b"5",)
    stranger = Entry(DN.parse("cn=Subschema"), [])
    assert THERE.computed["hassubordinates"].values(stranger) == ()
    assert THERE.computed["numsubordinates"].values(stranger) == ()


def test_the_subschema_entry_defines_what_is_known_and_what_the_entries_use() -> None:
    where = directory(SUFFIX + "dn: uid=a,dc=contoso,dc=com\nobjectClass: shoeWearer\nuid: a\nshoeSize: 37\n")
    types = b"\n".join(where.subschema.get("attributeTypes"))
    assert b"'shoeSize'" in types
    assert b"'uid'" in types
    assert b"'uidNumber'" in types
    assert b"'shoeWearer'" in b"\n".join(where.subschema.get("objectClasses"))


# Searching


@pytest.mark.parametrize(
    ("base", "scope", "expected"),
    [
        ("", Scope.BASE_OBJECT, []),  # the root DSE is not the directory's
        ("", Scope.SINGLE_LEVEL, ["dc=contoso,dc=com"]),
        ("dc=contoso,dc=com", Scope.BASE_OBJECT, ["dc=contoso,dc=com"]),
        ("dc=contoso,dc=com", Scope.SINGLE_LEVEL, ["ou=people,dc=contoso,dc=com"]),
        ("dc=com", Scope.WHOLE_SUBTREE, []),
        ("cn=nothing,dc=contoso,dc=com", Scope.WHOLE_SUBTREE, []),
        ("uid=alice,ou=people,dc=contoso,dc=com", Scope.SINGLE_LEVEL, []),
        ("uid=alice,ou=people,dc=contoso,dc=com", Scope.WHOLE_SUBTREE, ["uid=alice,ou=people,dc=contoso,dc=com"]),
    ],
)
def test_each_scope_finds_what_it_covers(base: str, scope: Scope, expected: list[str]) -> None:
    assert search(THERE, "(objectClass=*)", base, scope) == expected


def test_a_subtree_is_found_from_the_top_down_in_the_order_it_was_written() -> None:
    names = search(THERE, "(objectClass=*)", "dc=contoso,dc=com")
    assert [name.partition(",")[0] for name in names] == [
        *("dc=contoso", "ou=people", "uid=alice", "cn=Robert", "cn=Carol Smith", "cn=staff", "ou=desk"),
    ]


def test_a_filter_on_a_computed_attribute_is_answered() -> None:
    assert search(THERE, "(&(hasSubordinates=TRUE)(ou=*))") == ["ou=people,dc=contoso,dc=com"]
    assert search(THERE, "(entryDN=OU=desk,ou=people,dc=contoso,dc=com)") == ["ou=desk,ou=people,dc=contoso,dc=com"]


# As Active Directory has it, for it is read: with a property that nothing here uses.
HIDDEN4 = b64encode(user_properties.encode({"Primary:Kerberos": b"hidden4"})).decode()

SECRETS = f"""\
dn: uid=a,dc=contoso,dc=com
objectClass: user
uid: a
userPassword: hidden1
userPassword;x-old: hidden2
unicodePwd: hidden3
supplementalCredentials:: {HIDDEN4}
ntPwdHistory: hidden5
lmPwdHistory: hidden6
dBCSPwd: hidden7
sambaNTPassword: hidden8
1.2.840.113556.1.4.90: hidden9
"""


def test_no_entry_shows_a_secret_and_no_filter_finds_one() -> None:
    where = directory(SUFFIX + SECRETS)
    entry = run(where.read(DN.parse("uid=a,dc=contoso,dc=com")))
    assert entry is not None
    assert [description for description, _ in entry][:3] == ["objectClass", "uid", "structuralObjectClass"]
    assert b"hidden" not in b"".join(value for _, values in entry for value in values)
    for filter in ("(userPassword=hidden1)", "(unicodePwd=*)", "(:octetStringMatch:=hidden1)", "(!(unicodePwd=x))"):
        assert search(where, filter) == []
    assert "hidden" not in repr(entry) + repr(find(where, "a"))
    assert b"hidden" not in b"".join(value for _, values in where.subschema for value in values)


def test_secrets_are_known_by_any_name() -> None:
    names = ("userPassword", "USERPASSWORD;binary", "2.5.4.35", "unicodePwd", "1.2.840.113556.1.4.125;x")
    assert all(map(is_password, names))
    assert not any(map(is_password, ("uid", "userPasswordHint", "pwdLastSet", "badPwdCount")))


def crowd(count: int) -> MemoryDirectory:
    root, cn = DN.parse("dc=x"), "cn"
    records = [EntryRecord(root, (("dc", (b"x",)),), 0)]
    for number in range(count):
        name = DN.parse(f"uid=u{number},dc=x")
        records.append(EntryRecord(name, (("uid", (b"u%d" % number,)), (cn, (b"User %d" % number,))), number))
    return MemoryDirectory.from_records(records)


def test_a_search_pauses_after_each_batch_found_or_not() -> None:
    where = crowd(3 * BATCH)

    async def sizes(filter: str) -> list[int]:
        meant = parse_filter(filter)
        return [len(batch) async for batch in where.search(DN.parse("dc=x"), Scope.WHOLE_SUBTREE, meant)]

    each = BATCH // (1 + FOUND)
    assert run(sizes("(cn=User *)")) == [each] * (3 * BATCH // each)
    assert run(sizes("(description=*)")) == [0, 0, 0]


@pytest.mark.parametrize(
    "filter",
    [
        "(uid=u7)",
        "(uid~=U7)",
        "(&(cn=*)(uid=u7))",
        "(|(uid=u7)(uid=u8))",
        "(&(|(uid=u7)(cn=user 8))(cn=*))",
        "(uid=\\ff)",
    ],
)
def test_equality_on_what_people_are_looked_up_by_examines_only_what_matches(filter: str) -> None:
    where = crowd(10 * BATCH)

    async def batches() -> int:
        meant = parse_filter(filter)
        return len([batch async for batch in where.search(DN.parse("dc=x"), Scope.WHOLE_SUBTREE, meant)])

    assert run(batches()) <= 1  # a search that examined all would have paused ten times


def batches(where: MemoryDirectory, filter: str, base: str = "dc=x") -> list[int]:
    """How much each batch of a search holds."""

    async def sizes() -> list[int]:
        found = where.search(DN.parse(base), Scope.WHOLE_SUBTREE, parse_filter(filter))
        return [len(batch) async for batch in found]

    return run(sizes())


def test_a_search_pauses_over_what_an_index_finds_out_of_scope_too() -> None:
    where = crowd(10 * BATCH)
    assert batches(where, "(uid=u1*)", "uid=u3,dc=x") == [0]  # of u1, u10 to u19, u100 to u199 it has examined 64


def test_the_first_search_by_a_type_pauses_while_its_index_is_made() -> None:
    where = crowd(3 * STEP)
    assert batches(where, "(uid=u7)") == [0, 0, 0, 1]
    assert batches(where, "(uid=u8)") == [1]


# A search against the plainest one there is: every entry in scope for which the filter is true.

LABELS = ["a", "b"]
tree_names = st.lists(st.sampled_from(LABELS), min_size=0, max_size=3).map(
    lambda labels: ",".join([*(f"ou={label}" for label in labels), "dc=x"])
)
tree_entries = st.dictionaries(
    tree_names,
    st.dictionaries(st.sampled_from(["uid", "cn", "mail", "description"]), st.sampled_from([b"a", b"B", b"b"])),
    max_size=8,
)
tree_items: st.SearchStrategy[Filter] = st.one_of(
    st.builds(
        Equality, st.sampled_from(["uid", "cn", "CN", "mail", "description", "name"]), st.sampled_from([b"a", b"b"])
    ),
    st.builds(Present, st.sampled_from(["uid", "description"])),
)
tree_filters = st.recursive(
    tree_items,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=5,
)


@given(tree_entries, tree_filters, tree_names, st.sampled_from(list(Scope)))
def test_a_search_finds_exactly_the_entries_in_scope_that_match(
    tree: dict[str, dict[str, bytes]], filter: Filter, base: str, scope: Scope
) -> None:
    whole: dict[str, dict[str, bytes]] = {"dc=x": {}, **tree}
    for name in list(whole):  # every entry has its parent
        above = DN.parse(name).parent
        while len(above.rdns) > 1:
            whole.setdefault(str(above), {})
            above = above.parent
    records = [
        EntryRecord(
            DN.parse(name), (("objectClass", (b"top",)), *((key, (value,)) for key, value in held.items())), 1
        )
        for name, held in whole.items()
    ]
    where = MemoryDirectory.from_records(records)
    test = compile_filter(filter, where.schema)
    top = DN.parse(base)

    def in_scope(dn: DN) -> bool:
        match scope:
            case Scope.BASE_OBJECT:
                return dn == top
            case Scope.SINGLE_LEVEL:
                return len(dn.rdns) == len(top.rdns) + 1 and dn.within(top)
            case _:
                return dn.within(top)

    expected = []
    for name in whole:
        entry = run(where.read(DN.parse(name)))
        assert entry is not None
        if base in whole and in_scope(entry.dn) and test(entry):
            expected.append(name)
    assert sorted(search(where, filter, base, scope)) == sorted(expected)


def test_an_entry_of_ten_attributes_costs_less_than_three_kilobytes() -> None:
    names = ("uid", "cn", "sn", "givenName", "mail", "telephoneNumber", "employeeNumber", "description")
    root, classes = DN.parse("dc=x"), (b"person", b"inetOrgPerson")

    def records(count: int) -> Iterable[EntryRecord]:
        yield EntryRecord(root, (("dc", (b"x",)),), 0)
        for number in range(count):
            attributes = tuple([(name, (b"%s of %d" % (name.encode(), number),)) for name in names])
            password = ("userPassword", (b"password %d" % number,))
            yield EntryRecord(
                DN.parse(f"uid=uid of {number},dc=x"), (("objectClass", classes), *attributes, password), number
            )

    MemoryDirectory.from_records(records(10))  # the schema is read once
    tracemalloc.start()
    try:
        where = MemoryDirectory.from_records(records(1000))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert find(where, "uid of 999") is not None
    # 100,000 of them are to fit in 600 MB, half of which is left to the rest of the server.
    assert used / 1000 < 3000
