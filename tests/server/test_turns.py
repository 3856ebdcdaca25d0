"""The records of one turn of the loop, which are handed over together and are there before anybody is answered."""

from collections.abc import Callable, Sequence

import pytest

from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import Record
from ldapserver.audit.sinks import AuditUnavailable
from tests.server.audit_logs import EXCHANGE, VERDICT


class Sink:
    """Takes what it is given, until it is broken."""

    def __init__(self) -> None:
        self.written: list[list[Record]] = []
        self.error: Exception | None = None

    def write(self, records: Sequence[Record]) -> None:
        if self.error is not None:
            raise self.error
        self.written.append(list(records))

    def close(self) -> None:
        pass


class Turn:
    """A log whose turns end when the test says so; `told` has who was told what, in order."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.log = AuditLog([self.sink], report=lambda line: None)
        self.calls: list[Callable[[], None]] = []
        self.log.gather_by(self.calls.append)
        self.told: list[tuple[str, type[Exception] | None]] = []

    def write(self, name: str, *records: Record) -> None:
        self.log.write(records, lambda error: self.told.append((name, None if error is None else type(error))))

    def end(self) -> None:
        for call in self.calls:
            call()
        self.calls.clear()


def test_what_a_turn_brings_is_written_in_one_piece_before_anybody_is_told() -> None:
    turn = Turn()
    turn.write("first", EXCHANGE, VERDICT)
    turn.write("second", VERDICT)
    assert turn.sink.written == []
    assert turn.told == []
    assert len(turn.calls) == 1
    turn.end()
    assert turn.sink.written == [[EXCHANGE, VERDICT, VERDICT]]
    assert turn.told == [("first", None), ("second", None)]
    turn.write("third", VERDICT)
    turn.end()
    assert len(turn.sink.written) == 2


@pytest.mark.parametrize("error", [AuditUnavailable("full"), ValueError("ours")])
def test_what_could_not_be_written_fails_every_bind_of_the_turn(error: Exception) -> None:
    turn = Turn()
    turn.write("first", VERDICT)
    turn.write("second", VERDICT)
    turn.sink.error = error
    turn.end()
    assert turn.told == [("first", type(error)), ("second", type(error))]


@pytest.mark.parametrize("ends", [AuditLog.settle, AuditLog.close])
def test_the_end_does_not_wait_for_the_end_of_the_turn(ends: Callable[[AuditLog], None]) -> None:
    turn = Turn()
    turn.write("last", VERDICT)
    ends(turn.log)
    assert turn.sink.written == [[VERDICT]]
    assert turn.told == [("last", None)]
    turn.end()
    assert len(turn.sink.written) == 1


def test_who_fails_when_told_keeps_nobody_else_from_it() -> None:
    turn = Turn()

    def fail(error: Exception | None) -> None:
        turn.told.append(("second", None))
        raise RuntimeError("a fault of ours")

    turn.write("first", VERDICT)
    turn.log.write([VERDICT], fail)
    turn.write("third", VERDICT)
    with pytest.raises(RuntimeError):
        turn.end()
    assert turn.told == [("first", None), ("second", None), ("third", None)]


def test_what_is_written_while_others_are_told_is_of_the_next_turn() -> None:
    turn = Turn()
    turn.log.write([VERDICT], lambda error: turn.write("again", EXCHANGE))
    calls, turn.calls = list(turn.calls), []
    for call in calls:
        call()
    assert turn.sink.written == [[VERDICT]]
    turn.log.flush()
    assert turn.sink.written == [[VERDICT], [EXCHANGE]]
