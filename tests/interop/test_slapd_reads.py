"""The same entries in slapd and in our server, and thousands of searches and compares that both must answer alike.

What is compared is all that comes back but the texts for people: result codes, matchedDN, entries, attributes and
values. Where the two differ on purpose, `known_differences.py` says about what, and docs/interop.md why.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import ldap3
import pytest

from ldapserver.directory.schema import AttributeType, core, read_schema
from ldapserver.wire.filters import (
    Equality,
    Filter,
    InvalidFilter,
    Not,
    Present,
    parse_filter,
)
from ldapserver.wire.messages import CompareRequest, Operation, Scope, SearchRequest
from tests.interop.conftest import tool
from tests.interop.generated_requests import Generator, search, simpler
from tests.interop.known_differences import KNOWN, Explanations, Known
from tests.interop.server import running_server
from tests.interop.slapd import running_slapd
from tests.interop.two_servers import Difference, TwoServers, two_servers
from tests.interop.varied_entries import (
    ALSO_FOR_SLAPD,
    PAIRS,
    READER,
    READER_PASSWORD,
    VARIED,
    varied_entries,
)
from tests.test_interop_doc import rows

VECTORS = Path(__file__).parents[1] / "vectors"
ENTRIES = varied_entries()
EXPLANATIONS = Explanations(ENTRIES)
SEED = 2026


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServers]:
    """slapd and our server with the varied entries, and a connection to each, bound as one who may read."""
    programs = tool("slapd"), tool("slapadd")
    folder = tmp_path_factory.mktemp("differences")
    (folder / "theirs").mkdir()
    (folder / "ours").mkdir()
    ldif = folder / "varied.ldif"
    ldif.write_text("\n".join(entry.ldif for entry in ENTRIES), "utf-8")
    with (
        running_slapd(
            *programs, folder / "theirs", entries=ldif.read_text("utf-8"), more_schema=_more_schema()
        ) as theirs,
        running_server(folder / "ours", ldif=ldif) as ours,
        two_servers(theirs.url, ours.url, READER, READER_PASSWORD) as two,
    ):
        yield two


def _more_schema() -> Iterator[str]:
    for name in ALSO_FOR_SLAPD:
        attribute_type = core().attribute_type(name)
        assert attribute_type is not None
        yield f"attributetype {attribute_type.definition}"


def unexplained(both: TwoServers, requests: Iterable[Operation]) -> list[Difference]:
    """What the two disagree about and nothing explains, each cut down to the least that they still disagree about."""
    return [least for difference in both.differences(requests) for least in _least(both, difference)]


def _least(both: TwoServers, difference: Difference) -> Iterator[Difference]:
    if EXPLANATIONS.of(difference) is not None:
        return
    request = difference.request
    found = list(both.differences(simpler(request))) if isinstance(request, SearchRequest) else []
    if not found:
        yield difference
    for each in found:
        yield from _least(both, each)


def assert_alike(both: TwoServers, requests: Iterable[Operation], at_least: int) -> None:
    """They answer alike, or it is known why not; and so many were asked."""
    every = list(dict.fromkeys(requests))
    assert len(every) >= at_least
    differences = list(dict.fromkeys(map(str, unexplained(both, every))))
    assert not differences, "\n".join([f"{len(differences)} differences", *differences[:5]])


def test_items_of_every_kind_are_true_false_and_undefined_of_the_same_entries(both: TwoServers) -> None:
    assert_alike(both, map(search, Generator(ENTRIES, SEED).items(2)), 1500)


def test_rules_are_applied_to_the_same_attributes(both: TwoServers) -> None:
    assert_alike(both, map(search, Generator(ENTRIES, SEED).rules()), 250)


def test_nested_filters_come_to_the_same(both: TwoServers) -> None:
    assert_alike(both, map(search, Generator(ENTRIES, SEED).nested(400)), 300)


def test_scopes_bases_and_selections_show_the_same(both: TwoServers) -> None:
    assert_alike(both, Generator(ENTRIES, SEED).searches(300), 400)


def test_size_limits_end_searches_alike(both: TwoServers) -> None:
    requests = set(Generator(ENTRIES, SEED).limited(80))
    assert len(requests) > 30
    # Which entries come first is the server's affair.
    unlike = [
        str(each)
        for each in both.differences(requests)
        if (each.theirs.result_code, each.theirs.count) != (each.ours.result_code, each.ours.count)
    ]
    assert unlike == []


def test_compares_are_answered_alike(both: TwoServers) -> None:
    assert_alike(both, Generator(ENTRIES, SEED).compares(2), 1000)


def _filters() -> Iterator[Filter]:
    for item in json.loads((VECTORS / "filters.json").read_text("utf-8"))["items"]:
        try:
            filter = parse_filter(item["filter"])
        except InvalidFilter:
            continue
        yield filter
        yield Not(filter)


def test_filters_of_the_vectors_are_taken_alike(both: TwoServers) -> None:
    assert_alike(both, map(search, _filters()), 120)


def test_names_of_the_vectors_lead_to_the_same_place(both: TwoServers) -> None:
    names = [item["dn"] for item in json.loads((VECTORS / "dns.json").read_text("utf-8"))["items"]]
    requests: list[Operation] = []
    for name in names:
        # The name alone may be the empty one, which is the root DSE's and tells of the server.
        below = f"{name},{VARIED}"
        requests += [search(Present("objectClass"), base, Scope.BASE_OBJECT) for base in (name, below) if base]
        requests.append(CompareRequest(below, "cn", b"x"))
        requests += [search(Equality("seeAlso", name.encode())), search(Not(Equality("seeAlso", name.encode())))]
    assert_alike(both, requests, 350)


def test_names_are_equal_alike_as_values(both: TwoServers) -> None:
    requests = [search(Equality("seeAlso", other.encode())) for pair in PAIRS for other in pair]
    assert_alike(both, requests, 20)


# Types that we define otherwise: slapd has syntaxes of its own for two of NIS's, and a rule for namingContexts, which
# RFC 4512 section 5.1.2 gives none; and not the rules that RFC 4523 gives the types about certificates.
DEFINED_OTHERWISE = {
    *("namingContexts", "nisNetgroupTriple", "bootParameter", "supportedAlgorithms"),
    *("crossCertificatePair", "certificateRevocationList", "authorityRevocationList", "deltaRevocationList"),
}


def test_types_that_both_know_are_defined_alike(both: TwoServers) -> None:
    server = ldap3.Server(both.theirs.url, get_info="NO_INFO")
    with ldap3.Connection(server, READER, READER_PASSWORD) as connection:
        connection.search("cn=Subschema", "(objectClass=subschema)", "BASE", attributes=["attributeTypes"])
        definitions = connection.entries[0].attributeTypes.raw_values
    theirs = read_schema("\n".join(f"attributeTypes: {definition.decode()}" for definition in definitions))
    known = [(each, ours) for each in theirs.attribute_types if (ours := core().attribute_type(each.oid)) is not None]
    assert len(known) > 120
    assert {ours.names[0] for each, ours in known if _defined(each) != _defined(ours)} == DEFINED_OTHERWISE


def _defined(attribute_type: AttributeType) -> tuple[object, ...]:
    """What a definition says, without how names are spelled."""
    rules = (attribute_type.equality, attribute_type.ordering, attribute_type.substr)
    return (
        {name.lower() for name in attribute_type.names},
        [rule.lower() if rule else None for rule in rules],
        attribute_type.syntax,
        attribute_type.single_value,
        attribute_type.no_user_modification,
        attribute_type.usage,
    )


@pytest.mark.parametrize("known", KNOWN, ids=[known.name for known in KNOWN])
def test_a_known_difference_is_one_still(both: TwoServers, known: Known) -> None:
    (difference,) = both.differences([known.example])
    assert EXPLANATIONS.of(difference) is known, str(difference)


def test_every_known_difference_has_its_reason_in_the_document() -> None:
    assert [row[0] for row in rows("Where we differ from slapd")] == [known.name for known in KNOWN]
