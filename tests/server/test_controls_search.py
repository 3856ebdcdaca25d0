"""Paged, sorted, and seen through a window: the same entries as without, in the order and the pieces asked for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldapserver.controls import NO_CONTROLS
from ldapserver.cursors import MAX_CURSORS, MAX_LISTED, MAX_SORTING, Cursor, Cursors
from ldapserver.directory.entry import Entry
from ldapserver.entries import Listed
from ldapserver.session import Session
from ldapserver.wire.dn import DN
from ldapserver.wire.messages import AbandonRequest, Control, ResultCode, Scope, SearchResultDone
from tests.server.searching import (
    PAGED,
    SORTED,
    VIEWED,
    Outcome,
    by_offset,
    find,
    from_value,
    matched,
    outcome,
    paged,
    sequence,
    sort,
)
from tests.server.stage import LDIF, Stage, search, simple, stage

BASE = "dc=contoso,dc=com"
# 150 devices: numbers with and without leading zeros, a third of them without a description.
DEVICES = LDIF + "".join(
    f"\ndn: cn=d{number},{BASE}\nobjectClass: device\ncn: d{number}\nserialNumber: {number * 7919 % 150}\n"
    f"employeeNumber: {number % 5}\nuidNumber: {number * 31 % 150}\n"
    + (f"description: {'Zyx'[number % 3]}{number % 10}\n" if number % 3 else "")
    for number in range(150)
)
DEVICE = search(filter="(objectClass=device)", attributes=("uidNumber", "description"))


def bound(ldif: str = DEVICES, **settings: Any) -> Stage:
    """A session that is u1's."""
    on = stage(ldif, **settings)
    on.bind(simple("u1", "password"))
    return on


SHARED = bound()


def kept(session: Session) -> int:
    """How many searches may be come back to."""
    return 0 if session._cursors is None else len(session._cursors)


def pages(on: Stage, size: int, *controls: Control, request: Any = DEVICE) -> list[Outcome]:
    """Every page."""
    cookie = b""
    found: list[Outcome] = []
    while not found or cookie:
        found.append(find(on, request, paged(size, cookie), *controls))
        assert found[-1].code is ResultCode.SUCCESS
        cookie = found[-1].page[1]
        assert len(found) < 1000
    return found


# Pages


@settings(deadline=None, max_examples=30)
@given(size=st.integers(1, 170), keys=st.sampled_from([(), ("uidNumber",), ("-description", "cn")]))
def test_the_pages_together_are_the_search(size: int, keys: tuple[str, ...]) -> None:
    controls = (sort(*keys),) if keys else ()
    whole = find(SHARED, DEVICE, *controls)
    found = pages(SHARED, size, *controls)
    assert [entry for page in found for entry in page.entries] == whole.entries
    assert [len(page.entries) for page in found[:-1]] == [size] * (len(found) - 1)
    assert 0 < len(found[-1].entries) <= size
    # What is sorted is counted too.
    assert {page.page[0] for page in found} == {150 if keys else 0}
    assert kept(SHARED.session) == 0


def test_a_search_that_finds_nothing_is_one_empty_page() -> None:
    (only,) = pages(SHARED, 3, request=search(filter="(cn=nobody)"))
    assert (only.entries, only.page) == ([], (0, b""))


def test_the_root_dse_is_a_page() -> None:
    (only,) = pages(stage(), 5, request=search("", Scope.BASE_OBJECT))
    assert (only.names, only.page) == ([""], (0, b""))


def test_an_error_comes_without_a_page() -> None:
    refused = find(SHARED, search("o=elsewhere"), paged(5))
    assert (refused.code, refused.controls) == (ResultCode.NO_SUCH_OBJECT, {})


def test_the_directory_is_not_searched_again_for_the_next_page() -> None:
    on = bound()
    examined = 0
    searched = on.service.directory.search

    async def counted(*arguments: Any) -> Any:
        nonlocal examined
        async for batch in searched(*arguments):
            examined += len(batch)
            yield batch

    on.service.directory.search = counted  # type: ignore[method-assign, assignment]
    pages(on, 10)
    assert examined == 150


@pytest.mark.parametrize(
    ("request_", "controls"),
    [
        (search(filter="(objectClass=*)"), ()),
        (search("", filter="(objectClass=device)", attributes=DEVICE.attributes), ()),
        (search(filter="(objectClass=device)", attributes=("cn",)), ()),
        (search(filter="(objectClass=device)", attributes=DEVICE.attributes, size_limit=5), ()),
        (DEVICE, (sort("cn"),)),
        (DEVICE, (matched("(cn=*)"),)),
    ],
    ids=["filter", "base", "attributes", "sizeLimit", "sort", "values"],
)
def test_the_cookie_of_another_search_is_refused(request_: Any, controls: tuple[Control, ...]) -> None:
    on = bound()
    _, cookie = find(on, DEVICE, paged(5)).page
    refused = find(on, request_, paged(5, cookie), *controls)
    assert (refused.code, refused.entries) == (ResultCode.UNWILLING_TO_PERFORM, [])


@pytest.mark.parametrize("cookie", [b"x", b"0", b"99"])
def test_a_cookie_that_was_not_given_is_refused(cookie: bytes) -> None:
    assert find(bound(), DEVICE, paged(5, cookie)).code is ResultCode.UNWILLING_TO_PERFORM


def test_a_cookie_is_good_once_on_its_connection_and_as_long_as_its_identity() -> None:
    on = bound()
    _, cookie = find(on, DEVICE, paged(5)).page
    other = Stage(on.service, on.sink)
    other.bind(simple("u1", "password"))
    assert find(other, DEVICE, paged(5, cookie)).code is ResultCode.UNWILLING_TO_PERFORM
    _, later = find(on, DEVICE, paged(5, cookie)).page
    assert later not in (b"", cookie)
    assert find(on, DEVICE, paged(5, cookie)).code is ResultCode.UNWILLING_TO_PERFORM
    on.bind(simple("u1", "password"))
    assert find(on, DEVICE, paged(5, later)).code is ResultCode.UNWILLING_TO_PERFORM


def test_a_page_of_nothing_gives_the_search_up() -> None:
    on = bound()
    _, cookie = find(on, DEVICE, paged(5)).page
    given_up = find(on, DEVICE, paged(0, cookie))
    assert (given_up.code, given_up.entries, given_up.page) == (ResultCode.SUCCESS, [], (0, b""))
    assert kept(on.session) == 0


def test_pages_may_have_different_sizes() -> None:
    on = bound()
    first = find(on, DEVICE, paged(5))
    second = find(on, DEVICE, paged(100, first.page[1]))
    third = find(on, DEVICE, paged(100, second.page[1]))
    assert [len(page.entries) for page in (first, second, third)] == [5, 100, 45]


def test_only_so_many_searches_are_kept_and_the_oldest_is_forgotten() -> None:
    on = bound()
    cookies = [find(on, DEVICE, paged(5)).page[1] for _ in range(MAX_CURSORS + 1)]
    assert kept(on.session) == MAX_CURSORS
    assert find(on, DEVICE, paged(5, cookies[0])).code is ResultCode.UNWILLING_TO_PERFORM
    assert find(on, DEVICE, paged(5, cookies[1])).code is ResultCode.SUCCESS


def test_only_so_many_entries_are_kept_in_lists() -> None:
    on = bound()
    directory, entry = on.service.directory, Entry(DN.parse("cn=x"), ())
    cursors = Cursors()

    def keep(size: int) -> bytes:
        listed = Listed([entry] * size, directory)
        return cursors.keep(Cursor(DEVICE, NO_CONTROLS, on.session.identity, listed))

    first, second, third = keep(100_000), keep(MAX_LISTED - 100_000), keep(1)
    assert cursors.take(first) is None
    assert cursors.take(second) is not None
    assert cursors.take(third) is not None
    alone = keep(MAX_LISTED + 1)
    assert cursors.take(alone) is not None


def test_what_is_kept_ends_with_the_connection() -> None:
    on = bound()
    find(on, DEVICE, paged(5))
    on.session.lost()
    assert kept(on.session) == 0


def test_a_page_that_is_abandoned_is_not_come_back_to() -> None:
    on = bound()
    _, cookie = find(on, DEVICE, paged(5)).page
    on.send(DEVICE, controls=(paged(100, cookie),))
    assert on.session.busy
    on.send(AbandonRequest(on.last_id))
    assert find(on, DEVICE, paged(5, cookie)).code is ResultCode.UNWILLING_TO_PERFORM


@pytest.mark.parametrize(("client", "server", "total"), [(12, 0, 12), (0, 12, 12), (20, 12, 12), (12, 20, 12)])
def test_the_smaller_size_limit_counts_for_all_pages_together(client: int, server: int, total: int) -> None:
    on = bound(size_limit=server)
    request = search(filter="(objectClass=device)", size_limit=client)
    first = find(on, request, paged(5))
    second = find(on, request, paged(5, first.page[1]))
    third = find(on, request, paged(5, second.page[1]))
    assert [len(page.entries) for page in (first, second, third)] == [5, 5, total - 10]
    assert (third.code, third.controls) == (ResultCode.SIZE_LIMIT_EXCEEDED, {})


def test_a_page_that_holds_all_the_client_wants_is_no_page() -> None:
    on = bound()
    request = search(filter="(objectClass=device)", size_limit=5)
    for size in (5, 6):
        found = find(on, request, paged(size))
        assert (len(found.entries), found.code, found.controls) == (5, ResultCode.SIZE_LIMIT_EXCEEDED, {})
    assert find(on, request, paged(4)).page[1]


def test_an_administrator_has_the_clients_limit_only() -> None:
    on = bound(size_limit=12, admins=("uid=u1,ou=people,dc=contoso,dc=com",))
    assert len(find(on, DEVICE).entries) == 150
    limited = find(on, search(filter="(objectClass=device)", size_limit=3))
    assert (len(limited.entries), limited.code) == (3, ResultCode.SIZE_LIMIT_EXCEEDED)


# Order


def numbers(found: Outcome) -> list[int | None]:
    return [int(values[0]) if values else None for values in found.values("uidNumber")]


def test_integers_sort_as_numbers_and_the_other_way_round() -> None:
    up, down = find(SHARED, DEVICE, sort("uidNumber")), find(SHARED, DEVICE, sort("-uidNumber"))
    assert numbers(up) == list(range(150))
    assert numbers(down) == list(range(149, -1, -1))
    assert up.sort == down.sort == (ResultCode.SUCCESS, None)


@pytest.mark.parametrize("reverse", ["", "-"])
def test_an_entry_without_the_attribute_is_the_greatest(reverse: str) -> None:
    found = [values[:1] for values in find(SHARED, DEVICE, sort(f"{reverse}description")).values("description")]
    present = [values for values in found if values]
    missing: list[tuple[bytes, ...]] = [()] * 50
    assert found == (missing + present if reverse else present + missing)
    assert [value.lower() for (value,) in present] == sorted(
        (value.lower() for (value,) in present), reverse=bool(reverse)
    )


def test_the_next_key_counts_where_the_first_is_equal() -> None:
    request = search(filter="(objectClass=device)", attributes=("employeeNumber", "uidNumber"))
    found = find(SHARED, request, sort("-employeeNumber", "uidNumber"))
    pairs = list(zip([int(value) for (value,) in found.values("employeeNumber")], numbers(found), strict=True))
    assert pairs == sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


@pytest.mark.parametrize("reverse", ["", "-"])
def test_equal_entries_stay_as_they_came(reverse: str) -> None:
    place = {name: at for at, name in enumerate(find(SHARED, DEVICE).names)}
    request = search(filter="(objectClass=device)", attributes=("employeeNumber",))
    found = find(SHARED, request, sort(f"{reverse}employeeNumber"))
    by_key: dict[bytes, list[int]] = {}
    for (value,), name in zip(found.values("employeeNumber"), found.names, strict=True):
        by_key.setdefault(value, []).append(place[name])
    assert len(by_key) == 5
    assert all(places == sorted(places) for places in by_key.values())


def test_of_several_values_the_least_counts() -> None:
    ldif = LDIF + "".join(
        f"\ndn: cn={cn},{BASE}\nobjectClass: device\ncn: {cn}\ndescription: {one}\ndescription: {other}\n"
        for cn, one, other in (("a", "m", "z"), ("b", "a", "zz"), ("c", "x", "b"))
    )
    found = find(bound(ldif), DEVICE, sort("description"))
    assert [name[3] for name in found.names] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("key", "order"),
    [
        ("cn", ["a", "B", "c"]),  # cn has no ordering rule of its own, and is a directory string
        ("cn:caseIgnoreOrderingMatch", ["a", "B", "c"]),
        ("cn:2.5.13.3", ["a", "B", "c"]),
        ("cn:caseExactOrderingMatch", ["B", "a", "c"]),
        ("-cn:2.5.13.6", ["c", "a", "B"]),
    ],
)
def test_the_rule_is_the_one_named_or_that_of_the_type(key: str, order: list[str]) -> None:
    ldif = LDIF + "".join(f"\ndn: cn={cn},{BASE}\nobjectClass: device\ncn: {cn}\n" for cn in ("c", "B", "a"))
    assert [name[3] for name in find(bound(ldif), DEVICE, sort(key)).names] == order


CANNOT = [
    (("noSuchType",), (ResultCode.NO_SUCH_ATTRIBUTE, b"noSuchType")),
    (("userPassword",), (ResultCode.NO_SUCH_ATTRIBUTE, b"userPassword")),
    (("cn:noSuchRule",), (ResultCode.INAPPROPRIATE_MATCHING, b"cn")),
    (("cn:caseIgnoreMatch",), (ResultCode.INAPPROPRIATE_MATCHING, b"cn")),
    (("cn:integerOrderingMatch",), (ResultCode.INAPPROPRIATE_MATCHING, b"cn")),
    (("cn", "entryDN"), (ResultCode.INAPPROPRIATE_MATCHING, b"entryDN")),
    (("cn", "2.5.4.3"), (ResultCode.UNWILLING_TO_PERFORM, b"2.5.4.3")),
]


@pytest.mark.parametrize(("keys", "failure"), CANNOT, ids=str)
def test_what_cannot_be_sorted_says_why_and_comes_unsorted_to_who_does_not_insist(
    keys: tuple[str, ...], failure: tuple[ResultCode, bytes]
) -> None:
    refused = find(SHARED, DEVICE, sort(*keys))
    assert (refused.code, refused.entries) == (ResultCode.UNAVAILABLE_CRITICAL_EXTENSION, [])
    assert refused.sort == failure
    unsorted = find(SHARED, DEVICE, sort(*keys, critical=False))
    assert (unsorted.code, unsorted.sort) == (ResultCode.SUCCESS, failure)
    assert unsorted.entries == find(SHARED, DEVICE).entries


def test_more_entries_than_may_be_sorted() -> None:
    on = bound(max_sorted=149)
    refused = find(on, DEVICE, sort("cn"))
    assert (refused.code, refused.sort[0]) == (
        ResultCode.UNAVAILABLE_CRITICAL_EXTENSION,
        ResultCode.ADMIN_LIMIT_EXCEEDED,
    )
    unsorted = find(on, DEVICE, sort("cn", critical=False))
    assert (unsorted.code, unsorted.sort[0]) == (ResultCode.SUCCESS, ResultCode.ADMIN_LIMIT_EXCEEDED)
    assert sorted(unsorted.names) == sorted(find(on, DEVICE).names)
    assert find(bound(max_sorted=150), DEVICE, sort("cn")).sort == (ResultCode.SUCCESS, None)


def test_only_so_many_searches_of_a_connection_are_sorted_at_once() -> None:
    on = bound()
    on.channel.pauses.clear()
    answers = on.send(*[DEVICE] * MAX_SORTING, controls=(sort("cn"),))
    assert answers == []  # each pauses
    (refused,) = on.send(DEVICE, controls=(sort("cn"),))
    assert isinstance(refused.operation, SearchResultDone)
    assert refused.operation.result_code is ResultCode.BUSY
    on.send(AbandonRequest(on.last_id - 1))
    assert on.send(DEVICE, controls=(sort("cn"),)) == []
    while on.channel.turn():
        pass
    ended = [each.operation for each in on.channel.taken() if isinstance(each.operation, SearchResultDone)]
    assert [each.result_code for each in ended] == [ResultCode.SUCCESS] * MAX_SORTING


def test_a_long_sort_pauses() -> None:
    on = bound()
    on.send(DEVICE, controls=(sort("cn"),))
    turns = 0
    while not on.channel.written and on.channel.turn():
        turns += 1
    assert turns > 1


def test_a_limit_that_ends_a_sorted_search_comes_with_its_sort_result() -> None:
    limited = find(SHARED, search(filter="(objectClass=device)", size_limit=4), sort("uidNumber"))
    assert (len(limited.entries), limited.code) == (4, ResultCode.SIZE_LIMIT_EXCEEDED)
    assert limited.sort == (ResultCode.SUCCESS, None)


# Through a window

BY_NUMBER = sort("uidNumber")


@settings(deadline=None, max_examples=60)
@given(
    before=st.integers(0, 160),
    after=st.integers(0, 160),
    offset=st.integers(1, 150),
    reverse=st.sampled_from(["", "-"]),
)
def test_a_window_is_a_piece_of_the_sorted_list(before: int, after: int, offset: int, reverse: str) -> None:
    order = sort(f"{reverse}uidNumber")
    whole = find(SHARED, DEVICE, order).entries
    found = find(SHARED, DEVICE, order, by_offset(before, after, offset))
    assert found.entries == whole[max(offset - 1 - before, 0) : offset + after]
    assert found.view == (offset, 150, ResultCode.SUCCESS)
    assert (found.code, found.sort) == (ResultCode.SUCCESS, (ResultCode.SUCCESS, None))
    number = int(find(SHARED, DEVICE, order, by_offset(0, 0, offset)).values("uidNumber")[0][0])
    assert find(SHARED, DEVICE, order, from_value(before, after, b"%d" % number)).entries == found.entries


@pytest.mark.parametrize(
    ("offset", "count", "target"),
    [(1, 0, 1), (1, 1000, 1), (1000, 1000, 150), (500, 1000, 75), (2, 10_000, 1), (150, 150, 150), (7, 150, 7)],
)
def test_an_offset_is_a_share_of_what_the_client_takes_the_list_to_be(offset: int, count: int, target: int) -> None:
    found = find(SHARED, DEVICE, BY_NUMBER, by_offset(0, 0, offset, count))
    assert found.view == (target, 150, ResultCode.SUCCESS)
    assert numbers(found) == [target - 1]


def test_a_value_behind_the_last_entry_is_behind_the_list() -> None:
    found = find(SHARED, DEVICE, BY_NUMBER, from_value(2, 5, b"1000"))
    assert found.view == (151, 150, ResultCode.SUCCESS)
    assert numbers(found) == [148, 149]


@pytest.mark.parametrize(
    ("controls", "result"),
    [
        ((by_offset(0, 0, 1),), ResultCode.SORT_CONTROL_MISSING),
        ((BY_NUMBER, by_offset(0, 0, 151)), ResultCode.OFFSET_RANGE_ERROR),
        ((BY_NUMBER, by_offset(0, 0, 0)), ResultCode.OFFSET_RANGE_ERROR),
        ((BY_NUMBER, by_offset(0, 0, 11, 10)), ResultCode.OFFSET_RANGE_ERROR),
        ((BY_NUMBER, from_value(0, 0, b"no number")), ResultCode.INAPPROPRIATE_MATCHING),
        ((sort("nonsense", critical=False), by_offset(0, 0, 1)), ResultCode.UNWILLING_TO_PERFORM),
    ],
)
def test_there_is_no_such_window(controls: tuple[Control, ...], result: ResultCode) -> None:
    refused = find(SHARED, DEVICE, *controls)
    assert (refused.code, refused.entries) == (ResultCode.VIRTUAL_LIST_VIEW_ERROR, [])
    assert refused.view[2] == result


def test_a_window_is_not_paged_through() -> None:
    refused = find(SHARED, DEVICE, BY_NUMBER, by_offset(0, 0, 1), paged(5))
    assert (refused.code, refused.entries) == (ResultCode.UNWILLING_TO_PERFORM, [])
    assert not {PAGED, VIEWED, SORTED} & set(refused.controls)


def test_an_empty_list_has_an_empty_window() -> None:
    found = find(SHARED, search(filter="(cn=nobody)"), sort("cn"), from_value(1, 1, b"a"))
    assert (found.code, found.entries, found.view) == (ResultCode.SUCCESS, [], (1, 0, ResultCode.SUCCESS))


def test_the_list_is_made_once_for_who_comes_back_with_its_context() -> None:
    on = bound()
    first = find(on, DEVICE, BY_NUMBER, by_offset(0, 1, 1))
    searched: list[object] = []
    real = on.service.directory.search

    async def counted(*arguments: Any) -> Any:
        async for batch in real(*arguments):
            searched.append(batch)
            yield batch

    on.service.directory.search = counted  # type: ignore[method-assign, assignment]
    second = find(on, DEVICE, BY_NUMBER, by_offset(0, 1, 100, 150, first.context_id))
    assert (numbers(second), searched) == ([99, 100], [])
    assert kept(on.session) == 1
    # A list of another search, or one that is forgotten, is made anew.
    third = find(on, DEVICE, sort("-uidNumber"), by_offset(0, 1, 1, 150, second.context_id))
    assert numbers(third) == [149, 148]
    assert searched


def test_a_list_that_is_come_back_to_shows_entries_as_they_are_now() -> None:
    on = bound()
    first = find(on, DEVICE, BY_NUMBER, paged(2))
    gone = find(on, DEVICE, BY_NUMBER, by_offset(0, 0, 3)).names[0]
    real = on.service.directory.read

    async def read(dn: Any) -> Any:
        return None if str(dn) == gone else await real(dn)

    on.service.directory.read = read  # type: ignore[method-assign]
    second = find(on, DEVICE, BY_NUMBER, paged(3, first.page[1]))
    assert numbers(second) == [3, 4, 5]


def test_what_is_left_of_a_search_says_nothing_of_an_empty_value() -> None:
    refused = outcome(SHARED.send(DEVICE, controls=(Control(PAGED, False, sequence()),)))
    assert refused.code is ResultCode.PROTOCOL_ERROR
