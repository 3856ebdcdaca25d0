"""Cancel (RFC 3909), abandon, and how much is gathered ahead of who does not read."""

import tracemalloc

import pytest

from ldapserver.wire import ber
from ldapserver.wire.messages import (
    AbandonRequest,
    Control,
    ExtendedRequest,
    ExtendedResponse,
    LDAPResult,
    ResultCode,
    SearchResultDone,
    SearchResultEntry,
)
from tests.server.searching import sequence
from tests.server.stage import DEAR, LDIF, Stage, search, simple, stage
from tests.server.test_search import MANY

CANCEL = "1.3.6.1.1.8"


def cancel(message_id: int) -> ExtendedRequest:
    """Cancel an operation."""
    return ExtendedRequest(CANCEL, sequence(ber.encoded_integer(message_id)))


def searching(ldif: str = MANY) -> Stage:
    """A session with a search under way."""
    on = stage(ldif)
    on.bind(simple("u1", "password"))
    on.send(search())
    assert on.session.busy
    return on


def test_what_is_cancelled_is_told_so_and_then_the_cancel_succeeds() -> None:
    on = searching()
    number = on.last_id
    *_, cancelled, done = on.send(cancel(number))
    assert (cancelled.message_id, cancelled.operation) == (number, SearchResultDone(ResultCode.CANCELED))
    assert (done.message_id, done.operation) == (number + 1, ExtendedResponse(ResultCode.SUCCESS))
    assert not on.session.busy
    on.channel.turn()
    assert on.channel.taken() == []


def test_what_is_not_there_is_not_cancelled() -> None:
    on = searching()
    assert on.ask(cancel(99)).result_code is ResultCode.NO_SUCH_OPERATION
    assert on.ask(cancel(1)).result_code is ResultCode.NO_SUCH_OPERATION  # the bind, which is over
    assert on.session.busy


def test_a_cancel_is_not_cancelled() -> None:
    on = stage()
    assert on.ask(cancel(1)).result_code is ResultCode.CANNOT_CANCEL


def test_nothing_is_cancelled_while_a_bind_is_decided() -> None:
    on = stage(LDIF + DEAR)
    assert on.send(simple("dear", "dearpw"), cancel(1)) == []
    on.channel.work()
    bound, cancelled = [message.operation for message in on.channel.taken()]
    assert isinstance(bound, LDAPResult)
    assert isinstance(cancelled, LDAPResult)
    assert (bound.result_code, cancelled.result_code) == (ResultCode.SUCCESS, ResultCode.NO_SUCH_OPERATION)


@pytest.mark.parametrize("value", [None, b"", b"\x30\x00", sequence(b"\x04\x01x"), sequence(b"\x02\x01\xff")])
def test_a_cancel_says_of_what(value: bytes | None) -> None:
    on = stage()
    answer = on.ask(ExtendedRequest(CANCEL, value))
    assert answer.result_code is ResultCode.PROTOCOL_ERROR
    assert answer.diagnostic_message.startswith("requestValue")


def test_a_cancel_takes_no_critical_control() -> None:
    on = stage()
    answer = on.ask(cancel(9), (Control("2.16.840.1.113730.3.4.18", True, b""),))
    assert answer.result_code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION


# A few entries of a hundred kilobytes each, which the directory gives in one batch.
LARGE = LDIF + "".join(
    f"\ndn: cn=l{number},dc=contoso,dc=com\nobjectClass: device\ncn: l{number}\n"
    f"description: {number}{'x' * 100_000}\n"
    for number in range(60)
)


def test_abandon_takes_effect_within_a_batch_of_large_entries() -> None:
    on = searching(LARGE)
    on.channel.turn()
    on.send(AbandonRequest(on.last_id))
    assert not on.session.busy
    while on.channel.turn():
        pass
    assert on.channel.taken() == []


@pytest.mark.parametrize(("ldif", "most"), [(LARGE, 120_000), (MANY, 64 * 1024)], ids=["large", "many"])
def test_no_more_is_gathered_than_a_slice_ahead_of_who_does_not_read(ldif: str, most: int) -> None:
    on = stage(ldif)
    on.bind(simple("u1", "password"))
    on.session.data_received(on.encoded(search()))
    entries = 0
    while True:
        assert len(on.channel.written) <= most
        entries += sum(isinstance(message.operation, SearchResultEntry) for message in on.channel.taken())
        if not on.channel.turn():
            break
    assert entries == (70 if ldif is LARGE else 210)


def test_a_search_of_all_holds_no_entries_beside_the_directorys() -> None:
    on = stage(LARGE)
    on.bind(simple("u1", "password"))
    tracemalloc.start()
    try:
        on.session.data_received(on.encoded(search()))
        while on.channel.turn():
            on.channel.written.clear()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000  # of six megabytes
