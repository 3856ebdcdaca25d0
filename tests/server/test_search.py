"""The Search operation: what is found, what of it is shown and to whom, and that it never holds up the others."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import sasl_digest
from ldapserver.access import Identity
from ldapserver.errors import OperationRefused
from ldapserver.operation import Context, Reply
from ldapserver.search import search as search_operation
from ldapserver.wire import ber
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Present
from ldapserver.wire.messages import (
    DerefAliases,
    ResultCode,
    Scope,
    SearchRequest,
    SearchResultDone,
    SearchResultEntry,
)
from tests.server.stage import DEAR, LDIF, U1, WHO_AM_I, Stage, search, stage

PEOPLE = "ou=people,dc=contoso,dc=com"
CONTOSO = "dc=contoso,dc=com"


def bound(ldif: str = LDIF, **settings: Any) -> Stage:
    """A session that is u1's."""
    on = stage(ldif, **settings)
    assert on.digest().result_code is ResultCode.SUCCESS
    return on


# Where it looks


@pytest.mark.parametrize(
    ("base", "scope", "found"),
    [
        (PEOPLE, Scope.BASE_OBJECT, 1),
        (PEOPLE, Scope.SINGLE_LEVEL, 8),
        (PEOPLE, Scope.WHOLE_SUBTREE, 9),
        (CONTOSO, Scope.SINGLE_LEVEL, 1),
        (CONTOSO, Scope.WHOLE_SUBTREE, 10),
        ("", Scope.SINGLE_LEVEL, 1),
        ("", Scope.WHOLE_SUBTREE, 10),
        (U1, Scope.SINGLE_LEVEL, 0),
    ],
)
def test_each_scope_looks_as_far_as_it_says(base: str, scope: Scope, found: int) -> None:
    entries, done = bound().search(search(base, scope))
    assert (len(entries), done) == (found, SearchResultDone(ResultCode.SUCCESS))


def test_entries_are_named_as_they_were_written() -> None:
    entries, _ = bound().search(search(U1.upper(), Scope.BASE_OBJECT))
    assert list(entries) == [U1]


def test_a_filter_chooses() -> None:
    entries, _ = bound().search(search(filter="(&(objectClass=inetOrgPerson)(|(sn=one)(cn=ugo*)))"))
    assert set(entries) == {U1, "uid=u2,ou=people,dc=contoso,dc=com"}


def test_a_base_that_is_not_there_gets_no_such_object_and_the_deepest_that_is() -> None:
    entries, done = bound().search(search(f"cn=x,uid=nobody-knows,{PEOPLE}"))
    assert entries == {}
    assert done == SearchResultDone(ResultCode.NO_SUCH_OBJECT, matched_dn=PEOPLE)
    _, done = bound().search(search("o=elsewhere"))
    assert done == SearchResultDone(ResultCode.NO_SUCH_OBJECT, matched_dn="")


@pytest.mark.parametrize("base", ["no dn", "cn=", ",", "cn=x,,dc=com", "cn=\\zz"])
def test_a_base_that_is_no_dn_is_refused_or_not_there(base: str) -> None:
    entries, done = bound().search(search(base))
    assert entries == {}
    assert done.result_code in (ResultCode.INVALID_DN_SYNTAX, ResultCode.NO_SUCH_OBJECT)
    assert (done.result_code is ResultCode.INVALID_DN_SYNTAX) or base == "cn="


# What it shows


def attributes_of(wanted: tuple[str, ...], *, types_only: bool = False, dn: str = U1) -> dict[str, tuple[bytes, ...]]:
    entries, _ = bound().search(search(dn, Scope.BASE_OBJECT, attributes=wanted, types_only=types_only))
    return entries[dn]


ALL = ["objectClass", "uid", "sAMAccountName", "userPrincipalName", "cn", "cn;lang-de", "sn", "mail"]
STORED = ["structuralObjectClass", "entryUUID"]
STORED += ["creatorsName", "createTimestamp", "modifiersName", "modifyTimestamp"]
OPERATIONAL = [*STORED, "entryDN", "subschemaSubentry", "hasSubordinates", "numSubordinates"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ((), ALL),
        (("*",), ALL),
        (("+",), OPERATIONAL),
        (("*", "+"), [*ALL, *OPERATIONAL]),
        (("1.1",), []),
        (("1.1", "sn"), ["sn"]),
        (("cn",), ["cn", "cn;lang-de"]),
        (("CN",), ["cn", "cn;lang-de"]),
        (("cn;lang-de",), ["cn;lang-de"]),
        (("cn;LANG-DE",), ["cn;lang-de"]),
        (("cn;lang-fr",), []),
        (("2.5.4.4",), ["sn"]),
        (("2.5.4.3;lang-de",), ["cn;lang-de"]),
        (("name",), ["cn", "cn;lang-de", "sn"]),
        (("commonName",), ["cn", "cn;lang-de"]),
        (("hasSubordinates",), ["hasSubordinates"]),
        (("*", "entryDN"), [*ALL, "entryDN"]),
        (("noSuchType",), []),
        (("", "sn"), ["sn"]),
        (("userPassword",), []),
        (("2.5.4.35", "sn"), ["sn"]),
        (("userPassword;x", "*"), ALL),
    ],
    ids=str,
)
def test_what_was_asked_for_is_shown_and_nothing_else(wanted: tuple[str, ...], shown: list[str]) -> None:
    assert list(attributes_of(wanted)) == shown


def test_values_are_as_they_were_written() -> None:
    assert attributes_of(("cn", "hasSubordinates")) == {
        "cn": (b"Una One",),
        "cn;lang-de": (b"Una Eins",),
        "hasSubordinates": (b"FALSE",),
    }


@pytest.mark.parametrize("wanted", [(), ("*", "+"), ("cn",)])
def test_types_only_shows_no_values(wanted: tuple[str, ...]) -> None:
    shown = attributes_of(wanted, types_only=True)
    assert set(shown.values()) == {()}
    assert list(shown) == list(attributes_of(wanted))


ASKED = ("*", "+", "userPassword", "2.5.4.35", "userPasswordScheme", "supplementalCredentials", "unicodePwd")


@pytest.mark.parametrize("admins", [(), (U1,)], ids=["user", "admin"])
def test_no_search_shows_a_password_to_anybody(admins: tuple[str, ...]) -> None:
    on = bound(LDIF + DEAR, admins=admins)
    assert on.session.identity.admin is bool(admins)
    entries, _ = on.search(search(attributes=ASKED))
    assert len(entries) == 11
    values = [value for entry in entries.values() for each in entry.values() for value in each]
    assert not any(b"password" in value or b"{" in value or b"another" in value for value in values)
    assert "userpassword" not in {name.lower() for entry in entries.values() for name in entry}


@pytest.mark.parametrize(
    ("admins", "asked", "shown"),
    [
        ((U1,), ("userPasswordScheme",), {"salted": b"SSHA", "hashed": b"HA1", "dear": b"PBKDF2-SHA256"}),
        ((U1,), ("+",), {"salted": b"SSHA", "hashed": b"HA1", "dear": b"PBKDF2-SHA256"}),
        ((U1,), ("*",), {}),
        ((), ("+", "userPasswordScheme"), {}),
    ],
)
def test_an_administrator_sees_on_request_the_kinds_of_secrets_and_nobody_else_does(
    admins: tuple[str, ...], asked: tuple[str, ...], shown: dict[str, bytes]
) -> None:
    on = bound(LDIF + DEAR, admins=admins)
    for uid in ("salted", "hashed", "dear"):
        entries, _ = on.search(search(f"uid={uid},{PEOPLE}", Scope.BASE_OBJECT, attributes=asked))
        (entry,) = entries.values()
        assert entry.get("userPasswordScheme") == ((shown[uid],) if uid in shown else None)


@pytest.mark.parametrize(
    "filter", ["(userPassword=*)", "(userPassword=password)", "(2.5.4.35=pass*)", "(!(userPassword=x))"]
)
def test_no_filter_guesses_a_password(filter: str) -> None:
    entries, done = bound().search(search(filter=filter))
    assert (entries, done.result_code) == ({}, ResultCode.SUCCESS)


# Limits


def test_at_most_size_limit_entries_are_sent() -> None:
    entries, done = bound().search(search(size_limit=3))
    assert (len(entries), done.result_code) == (3, ResultCode.SIZE_LIMIT_EXCEEDED)


def test_a_size_limit_that_is_just_enough_is_not_exceeded() -> None:
    entries, done = bound().search(search(size_limit=10))
    assert (len(entries), done.result_code) == (10, ResultCode.SUCCESS)


def test_a_size_limit_counts_over_several_slices() -> None:
    on = bound(MANY)
    entries, done = on.search(search(size_limit=150))
    assert (len(entries), done.result_code) == (150, ResultCode.SIZE_LIMIT_EXCEEDED)


def timed(on: Stage, request: SearchRequest, step: float) -> tuple[list[int], ResultCode | int]:
    """How many entries each slice has, and the result, when each look at the clock finds it `step` seconds on."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step
        return now

    slices: list[int] = []

    async def parts() -> ResultCode | int:
        context = Context(on.service, Identity(DN.parse(U1), "u1"), on.channel)
        async for part in search_operation(context, request, clock):
            if isinstance(part, Reply):
                assert isinstance(part.response, SearchResultDone)
                return part.response.result_code
            slices.append(len(part))
        raise AssertionError("it has no end")

    try:
        parts().send(None)
    except StopIteration as stop:
        return slices, stop.value
    except OperationRefused as refused:
        return slices, refused.result_code
    raise AssertionError("it waits for something")


def test_a_time_limit_ends_a_search_between_its_slices() -> None:
    on = stage(MANY)
    slices, result_code = timed(on, search(time_limit=5), step=2)
    assert result_code is ResultCode.TIME_LIMIT_EXCEEDED
    assert len(slices) == 3  # at 2, 4 and 6 seconds


def test_a_time_limit_that_is_long_enough_is_not_exceeded() -> None:
    slices, result_code = timed(stage(MANY), search(time_limit=50), step=2)
    assert result_code is ResultCode.SUCCESS
    assert sum(slices) == 210


def test_a_time_limit_of_zero_is_none() -> None:
    assert timed(stage(MANY, time_limit=0), search(), step=1e9)[1] is ResultCode.SUCCESS


def test_a_filter_nested_too_deep_is_refused_and_the_connection_lives_on() -> None:
    on = bound()
    shallow = SearchRequest(U1, Scope.BASE_OBJECT, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, Present("cn"), ())
    octets = on.encoded(shallow)
    deep = nested(octets, 10_000)
    on.session.data_received(deep)
    (message,) = on.channel.taken()
    assert isinstance(message.operation, SearchResultDone)
    assert message.operation.result_code is ResultCode.ADMIN_LIMIT_EXCEEDED
    assert on.who() == f"dn:{U1}"


def nested(octets: bytes, depth: int) -> bytes:
    """The message with its filter (cn=*) under so many (!...)."""
    filter = b"\x87\x02cn"
    head, _, tail = octets.partition(filter)
    for _ in range(depth):
        filter = ber.encoded(0xA2, filter)
    operation = head[head.index(b"\x63") :]
    contents = operation[2:] + filter + tail
    return ber.encoded(ber.SEQUENCE, ber.encoded_integer(octets[4]) + ber.encoded(0x63, contents))


# Who may


def test_entries_are_refused_to_anonymous() -> None:
    for scope in Scope:
        entries, done = stage().search(search(U1, scope))
        assert (entries, done.result_code) == ({}, ResultCode.INSUFFICIENT_ACCESS_RIGHTS)


def test_anonymous_is_not_told_what_exists() -> None:
    there, not_there = (stage().search(search(base))[1] for base in (U1, "uid=nobody-knows," + PEOPLE))
    assert there == not_there


@pytest.mark.parametrize("scope", [Scope.SINGLE_LEVEL, Scope.WHOLE_SUBTREE])
def test_below_the_root_dse_anonymous_finds_nothing(scope: Scope) -> None:
    entries, done = stage().search(search("", scope))
    assert (entries, done.result_code) == ({}, ResultCode.INSUFFICIENT_ACCESS_RIGHTS)


def test_anonymous_search_lets_anonymous_read() -> None:
    entries, done = stage(anonymous_search=True).search(search())
    assert (len(entries), done.result_code) == (10, ResultCode.SUCCESS)


# The root DSE and the subschema


def root_dse(*attributes: str, filter: str = "(objectClass=*)") -> dict[str, tuple[bytes, ...]]:
    entries, done = stage().search(search("", Scope.BASE_OBJECT, filter, attributes))
    assert done.result_code is ResultCode.SUCCESS
    return entries.get("", {})


def test_the_root_dse_says_to_anybody_what_the_server_does() -> None:
    assert root_dse() == {
        "objectClass": (b"top",),
        "namingContexts": (b"dc=contoso,dc=com",),
        "subschemaSubentry": (b"cn=Subschema",),
        "supportedControl": (
            *(b"1.3.6.1.1.12", b"1.3.6.1.1.13.1", b"1.3.6.1.1.13.2"),
            *(b"1.2.840.113556.1.4.805", b"1.2.840.113556.1.4.1413", b"2.16.840.1.113730.3.4.2"),
            *(b"1.2.840.113556.1.4.1339", b"2.16.840.1.113730.3.4.18"),
            *(b"1.2.840.113556.1.4.319", b"1.2.840.113556.1.4.473", b"2.16.840.1.113730.3.4.9"),
            *(b"1.2.826.0.1.3344810.2.3", b"1.3.6.1.4.1.4203.1.10.1"),
        ),
        "supportedExtension": (WHO_AM_I.encode(), b"1.3.6.1.4.1.4203.1.11.1", b"1.3.6.1.1.8"),
        "supportedFeatures": (
            *(b"1.3.6.1.4.1.4203.1.5.1", b"1.3.6.1.4.1.4203.1.5.2", b"1.3.6.1.4.1.4203.1.5.3"),
            *(b"1.3.6.1.4.1.4203.1.5.4", b"1.3.6.1.4.1.4203.1.5.5", b"1.3.6.1.1.14"),
        ),
        "supportedLDAPVersion": (b"3",),
        "supportedSASLMechanisms": (b"DIGEST-MD5",),
        "vendorName": (b"sasl-digest",),
        "vendorVersion": (sasl_digest.__version__.encode(),),
    }


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (("supportedSASLMechanisms",), {"supportedSASLMechanisms"}),
        (("SUPPORTEDSASLMECHANISMS",), {"supportedSASLMechanisms"}),
        (("1.1",), set()),
        (("objectClass",), {"objectClass"}),
    ],
)
def test_of_the_root_dse_only_what_was_asked_for_is_shown(asked: tuple[str, ...], shown: set[str]) -> None:
    assert set(root_dse(*asked)) == shown


def test_all_operational_attributes_of_the_root_dse_can_be_asked_for() -> None:
    assert {"namingContexts", "supportedSASLMechanisms", "supportedLDAPVersion"} <= set(root_dse("+"))


def test_a_filter_counts_for_the_root_dse_too() -> None:
    assert root_dse(filter="(supportedLDAPVersion=2)") == {}
    assert root_dse(filter="(&(supportedFeatures=1.3.6.1.4.1.4203.1.5.1)(vendorName=*))")


def test_the_subschema_is_read_by_anybody() -> None:
    on = stage()
    name = root_dse("subschemaSubentry")["subschemaSubentry"][0].decode()
    entries, done = on.search(search(name, Scope.BASE_OBJECT, attributes=("attributeTypes", "objectClasses")))
    assert done.result_code is ResultCode.SUCCESS
    shown = entries[name]
    assert any(b"'mail'" in value or b"NAME ( 'mail'" in value for value in shown["attributeTypes"])
    assert any(b"'inetOrgPerson'" in value for value in shown["objectClasses"])


# Beside others

MANY = LDIF + "".join(
    f"\ndn: cn=d{number},dc=contoso,dc=com\nobjectClass: device\ncn: d{number}\ndescription: {'x' * 400}\n"
    for number in range(200)
)


def test_a_long_search_pauses_between_its_slices_and_streams() -> None:
    on = bound(MANY)
    messages = on.send(search())
    assert 0 < len(messages) < 210
    turns = 0
    while on.channel.turn():
        turns += 1
        # Others are heard meanwhile, and each slice is written as it is found.
        messages += on.channel.taken()
        if on.session.busy:
            assert on.who() == f"dn:{U1}"
    assert turns >= 2
    assert [type(message.operation) for message in messages] == [SearchResultEntry] * 210 + [SearchResultDone]


def test_a_search_that_finds_nothing_in_much_pauses_too() -> None:
    on = bound(MANY)
    assert on.send(search(filter="(description=y*)")) == []
    assert on.session.busy
    assert on.channel.pauses


def test_a_short_search_is_answered_in_one_write_without_a_pause() -> None:
    on = bound()
    writes: list[bytes] = []
    on.channel.write = writes.append  # type: ignore[method-assign, assignment]
    on.send(search())
    assert len(writes) == 1
    assert on.channel.pauses == []


def test_a_search_does_not_read_on_while_the_peer_does_not_read() -> None:
    taken: list[int] = []
    on = bound()
    directory = on.service.directory

    async def batches() -> AsyncIterator[Sequence[Any]]:
        for number in range(100):
            taken.append(number)
            yield []

    directory.search = lambda base, scope, filter: batches()  # type: ignore[method-assign]
    on.send(search())
    assert len(taken) == 2  # the first is not followed by a pause
    on.channel.turn()
    assert len(taken) == 3
