"""What a soak looks at in the end: all files of a log, and whether they hold what clients were told."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.soak.load import Bind

VERDICT, LOGON, LOGOFF = "4776", "4624", "4634"
_NAMESPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"


@dataclass(frozen=True)
class Event:
    """A Windows event as a log has it. `port` and `message_id` are None where its form has no place for them."""

    record_id: int
    event_id: str
    pid: int
    time: str
    data: Mapping[str, str]
    port: int | None = None
    message_id: int | None = None
    connection: int | None = None

    @property
    def bind(self) -> Bind:
        """Which bind a verdict is about."""
        assert self.port is not None
        assert self.message_id is not None
        return self.pid, self.port, self.message_id

    @property
    def alike(self) -> tuple[Any, ...]:
        """What it has in common with the same event in another log."""
        return self.event_id, self.pid, self.time, tuple(self.data.items())


def events(log: Path) -> list[Event]:
    """The Windows events of a log and of all that was rotated out of it, by whoever, the oldest file first.

    Raises AssertionError for half a line.
    """
    return [event for found in sorted(_files(log).values(), key=lambda found: found[0].record_id) for event in found]


def _files(log: Path) -> dict[str, list[Event]]:
    files = {}
    for path in log.parent.glob(f"{log.name}*"):
        if path.suffix != ".torn":
            found = list(_events(path))
            if found:
                files[path.name] = found
    return files


def positions(log: Path) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Where each event of a log ends, by what it has in common with other logs': the file's inode, and an offset."""
    found = {}
    for path in log.parent.glob(f"{log.name}*"):
        inode, at = path.stat().st_ino, 0
        for line in path.read_bytes().splitlines(keepends=True):
            at += len(line)
            event = _read(line.rstrip(b"\n"))
            if event is not None:
                found[event.alike] = inode, at
    return found


def _events(path: Path) -> Iterator[Event]:
    lines = path.read_bytes().split(b"\n")
    assert not lines[-1], f"{path.name} ends in half a line"
    for number, line in enumerate(lines[:-1], 1):
        try:
            event = _read(line)
        except (ValueError, KeyError, ElementTree.ParseError) as error:
            raise AssertionError(f"{path.name}:{number}: no record: {line[:60]!r} ({error!r})") from None
        if event is not None:
            yield event


def _read(line: bytes) -> Event | None:
    return _of_xml(line) if line.startswith(b"<") else _of_json(line)


def _of_json(line: bytes) -> Event | None:
    record = json.loads(line)
    winlog = record.get("winlog")
    if winlog is None:
        return None
    return Event(
        record_id=int(winlog["record_id"]),
        event_id=winlog["event_id"],
        pid=winlog["process"]["pid"],
        time=record["@timestamp"],
        data=winlog["event_data"],
        port=record.get("source", {}).get("port"),
        message_id=record["ldap"]["message_id"],
        connection=record["ldap"]["connection"],
    )


def _of_xml(line: bytes) -> Event:
    system, data = ElementTree.fromstring(line)

    def child(name: str) -> ElementTree.Element:
        found = system.find(_NAMESPACE + name)
        if found is None:
            raise KeyError(name)
        return found

    return Event(
        record_id=int(child("EventRecordID").text or ""),
        event_id=child("EventID").text or "",
        pid=int(child("Execution").attrib["ProcessID"]),
        time=child("TimeCreated").attrib["SystemTime"],
        data={each.attrib["Name"]: each.text or "" for each in data},
    )


def check(log: Path, seen: Sequence[Bind]) -> list[Event]:
    """The events of a log in JSON. Raises AssertionError where something is lost, doubled, missing or torn."""
    found = events(log)
    check_numbers(log, found)
    verdicts = [event for event in found if event.event_id == VERDICT]
    doubled = [bind for bind, count in Counter(event.bind for event in verdicts).items() if count > 1]
    assert not doubled, f"recorded twice: {doubled[:3]}"
    succeeded = {event.bind for event in verdicts if event.data["Status"] == "0x0"}
    lost = [bind for bind in seen if bind not in succeeded]
    assert not lost, f"{len(lost)} binds were seen to succeed and are not in the log, the first {lost[0]}"
    return found


def check_numbers(log: Path, found: Sequence[Event]) -> None:
    """Raise AssertionError unless record ids count from 1 without a gap, and old logs are named in their order."""
    ids = [event.record_id for event in found]
    at = next((at for at, record_id in enumerate(ids) if record_id != at + 1), None)
    assert at is None, f"{log.name}: record ids: {ids[max(0, at - 2) : at + 3]} where {at + 1} is due"
    files = _files(log)
    ours = [files[name][0].record_id for name in sorted(files) if name.startswith(f"{log.name}-")]
    assert ours == sorted(ours), f"{log.name}: the names of old logs are not in order"


def check_beside(found: Sequence[Event], other: Path, seen: Sequence[Bind], *, kills: bool = True) -> int:
    """The number of events of another log that was written after this one, of the same binds.

    It lacks only the last events of a server that was killed between the two, those of one turn of its loop, and no
    bind that was seen to succeed. Raises AssertionError.
    """
    others = events(other)
    check_numbers(other, others)
    told = set(seen)
    there = Counter(event.alike for event in others)
    kept = []
    for event in found:
        if there[event.alike]:
            there[event.alike] -= 1
            kept.append(event)
    assert [event.alike for event in others] == [event.alike for event in kept], f"{other.name}: other events"
    held = {event.record_id for event in kept}
    went_on: set[int] = set()  # servers with later events that are there
    for event in reversed(found):
        if event.record_id in held:
            went_on.add(event.pid)
        else:
            what = f"{event.event_id} with record id {event.record_id} is not in {other.name}"
            assert kills, what
            assert event.pid not in went_on, what
            assert event.event_id != VERDICT or event.bind not in told, what
    return len(others)


def check_logons(found: Sequence[Event], seen: Sequence[Bind], *, ended: int) -> int:
    """The number of logons. Raises AssertionError unless each belongs to a verdict, and ends as far as a kill allows.

    Of the server `ended`, which was not killed, each has its end.
    """
    latest: dict[tuple[int, int], str] = {}  # the logon of a connection that is not over
    logons: dict[str, Event] = {}
    before: dict[tuple[int, int], Event] = {}  # the last verdict of a connection
    unended: dict[int, int] = defaultdict(int)
    for event in found:
        assert event.connection is not None
        connection = event.pid, event.connection
        if event.event_id == VERDICT:
            before[connection] = event
        elif event.event_id == LOGON:
            logon_id = event.data["TargetLogonId"]
            assert logon_id not in logons, f"{logon_id}: the logon id of two logons"
            assert connection not in latest, f"{logon_id}: the logon before it has no end"
            verdict = before.get(connection)
            assert verdict is not None, f"{logon_id}: a logon without a verdict"
            assert (verdict.time, verdict.message_id) == (event.time, event.message_id), f"{logon_id}: another's"
            logons[logon_id] = event
            latest[connection] = logon_id
        elif event.event_id == LOGOFF:
            logon_id = event.data["TargetLogonId"]
            assert latest.pop(connection, None) == logon_id, f"{logon_id}: the end of no logon"
    for pid, _ in latest:
        unended[pid] += 1
    assert not unended[ended], f"{unended[ended]} logons of a server that stopped have no end"
    recorded = {event.bind for event in logons.values()}
    lost = [bind for bind in seen if bind not in recorded]
    assert not lost, f"{len(lost)} binds were seen to succeed and are no logon in the log, the first {lost[0]}"
    return len(logons)
