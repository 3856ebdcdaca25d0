"""The same writes, one after the other, to slapd and to our server under `--schema strict`.

What comes back is compared, but for the texts for people, and what is there afterwards, with the operational
attributes that both keep alike. Where the two differ on purpose, `known_write_differences.py` says about what, and
docs/interop.md why.
"""

from collections.abc import Iterator, Mapping

import pytest

from ldapserver.wire.filters import Present
from ldapserver.wire.messages import ResultCode, Scope
from tests.interop.conftest import tool
from tests.interop.generated_requests import search
from tests.interop.generated_writes import Writes
from tests.interop.known_write_differences import KNOWN_WRITES, KnownWrite, Write, known_write
from tests.interop.server import running_server
from tests.interop.slapd import BASE, running_slapd
from tests.interop.two_servers import Difference, TwoServers, two_servers
from tests.interop.write_cases import ANONYMOUS, CASES, SCHEMA, USER, WRITER
from tests.interop.write_requests import detail, modify, rename
from tests.test_interop_doc import rows

NAMES = {WRITER: f"uid=writer,{BASE}", USER: f"uid=user,{BASE}", ANONYMOUS: ""}
PASSWORDS = {WRITER: "may write", USER: "may read", ANONYMOUS: ""}
LDIF = f"""dn: {BASE}
objectClass: organization
objectClass: dcObject
o: Contoso
dc: contoso

dn: {NAMES[WRITER]}
objectClass: inetOrgPerson
uid: writer
cn: Writer
sn: Writer
userPassword: {PASSWORDS[WRITER]}

dn: {NAMES[USER]}
objectClass: inetOrgPerson
uid: user
cn: User
sn: User
userPassword: {PASSWORDS[USER]}
"""
STEPS = 250
LOOK_EVERY = 25
# What both keep alike of an entry; who made it when, and its UUID, are each server's own.
KEPT = ("*", "structuralObjectClass", "hasSubordinates", "creatorsName", "modifiersName", "entryDN")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, TwoServers]]:
    """slapd and our server, and connections to each: of who may write, who may read, and nobody."""
    programs = tool("slapd"), tool("slapadd")
    folder = tmp_path_factory.mktemp("writes")
    (folder / "theirs").mkdir()
    (folder / "ours").mkdir()
    ldif, schema = folder / "entries.ldif", folder / "more.schema"
    ldif.write_text(LDIF, "utf-8")
    schema.write_text(SCHEMA, "utf-8")
    may_write = [f'rootdn "{NAMES[WRITER]}"', "dbnosync"]
    strict = ("--schema", "strict", "--schema-file", str(schema), "--admin", NAMES[WRITER])
    with (
        running_slapd(
            *programs,
            folder / "theirs",
            entries=LDIF,
            more_schema=SCHEMA.splitlines(),
            more_of_database=may_write,
        ) as theirs,
        running_server(folder / "ours", *strict, ldif=ldif) as ours,
        two_servers(theirs.url, ours.url, NAMES[WRITER], PASSWORDS[WRITER]) as writer,
        two_servers(theirs.url, ours.url, NAMES[USER], PASSWORDS[USER]) as user,
        two_servers(theirs.url, ours.url, NAMES[ANONYMOUS], PASSWORDS[ANONYMOUS]) as anonymous,
    ):
        yield {WRITER: writer, USER: user, ANONYMOUS: anonymous}


@pytest.mark.parametrize("seed", range(6))
def test_the_same_writes_come_to_the_same(both: Mapping[str, TwoServers], seed: int) -> None:
    writes, two = Writes(seed), both[WRITER]
    look = search(Present("objectClass"), writes.top, Scope.WHOLE_SUBTREE, KEPT)
    for number, (request, controls) in enumerate(writes.steps(STEPS)):
        theirs, ours = two.answers(request, controls)
        writes.learn(request, theirs.result_code)
        unlike = theirs != ours and known_write(Write(request, controls, WRITER, theirs, ours)) is None
        differences = [Difference(request, theirs, ours)] if unlike else []
        if unlike or number % LOOK_EVERY == 0 or number == STEPS:
            differences += two.differences([look])
        assert not differences, "\n".join([f"step {number}: {detail(request)}", *map(str, differences)])


def outcome(both: Mapping[str, TwoServers], name: str) -> tuple[Write, list[Difference]]:
    """What the two answer in a case, and how what is there then differs."""
    place = f"ou={name.replace(',', '').replace(':', '')},{BASE}"
    case, two = CASES[name], both[WRITER]
    request = case.asked(place)
    for each in case.before(place):
        theirs, ours = two.answers(each)
        assert theirs == ours
        assert theirs.result_code == ResultCode.SUCCESS, detail(each)
    theirs, ours = both[case.by].answers(request, case.controls)
    look = search(Present("objectClass"), place, Scope.WHOLE_SUBTREE, KEPT)
    return Write(request, case.controls, case.by, theirs, ours), list(two.differences([look]))


@pytest.fixture(scope="module")
def outcomes(both: Mapping[str, TwoServers]) -> Mapping[str, tuple[Write, list[Difference]]]:
    """Of all cases."""
    return {name: outcome(both, name) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_a_write_is_answered_alike(outcomes: Mapping[str, tuple[Write, list[Difference]]], name: str) -> None:
    write, differences = outcomes[name]
    if write.theirs != write.ours:
        differences = [Difference(write.request, write.theirs, write.ours), *differences]
    explained = known_write(write) if differences else None
    assert not differences or explained, "\n".join([detail(write.request), *map(str, differences)])


@pytest.mark.parametrize("known", KNOWN_WRITES, ids=[known.name for known in KNOWN_WRITES])
def test_a_known_difference_is_one_still(
    outcomes: Mapping[str, tuple[Write, list[Difference]]], known: KnownWrite
) -> None:
    unlike = [write for write, differences in outcomes.values() if differences or write.theirs != write.ours]
    assert known in map(known_write, unlike)


def test_every_known_difference_has_its_reason_in_the_document() -> None:
    assert [row[0] for row in rows("Where we differ from slapd in writes")] == [known.name for known in KNOWN_WRITES]


def test_an_entry_stays_the_same_by_what_each_server_says_of_it(both: Mapping[str, TwoServers]) -> None:
    two, (container, other, made) = both[WRITER], CASES["rename: moved"].before(f"ou=kept,{BASE}")
    for each in (container, other, made):
        assert [answer.result_code for answer in two.answers(each)] == [0, 0]
    kept = []
    name = made.entry
    for request, then in (
        (modify(name), name),
        (rename(name, "uid=y"), f"uid=y,{container.entry}"),
        (rename(f"uid=y,{container.entry}", "uid=y", other.entry), f"uid=y,{other.entry}"),
        (rename(other.entry, "ou=another"), f"uid=y,ou=another,{container.entry}"),
    ):
        assert [answer.result_code for answer in two.answers(request)] == [0, 0]
        said = ("entryUUID", "createTimestamp", "creatorsName")
        kept.append([answer.entries for answer in two.answers(search(Present("uid"), then, attributes=said))])
    for server in (0, 1):
        shown = {attributes for entries in kept for _, attributes in entries[server]}
        assert len(shown) == 1, "one set of attributes under all its names"
        assert len(next(iter(shown))) == 3
