"""Logs in files, as the tests of the audit write and read them."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import BindRecord, Record
from ldapserver.audit.render import JSONRenderer
from sasl_digest import Reason
from tests.server.test_audit_record import RECORD

RENDERER = JSONRenderer("ldap1.contoso.com")
VERDICT = RECORD
EXCHANGE = replace(RECORD, status=None, reason=Reason.NONCE_FOREIGN)
SECOND = 1_000_000_000  # nanoseconds


def ids(path: Path) -> list[str | None]:
    """The record id of every line, None for a line that is no Windows event; every line is whole."""
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b"", "the log ends in half a line"
    return [json.loads(line).get("winlog", {}).get("record_id") for line in lines]


def opened(path: Path, **rest: Any) -> FileSink:
    """A sink of this log, which has nothing to complain of."""
    return FileSink(str(path), RENDERER, **{"report": never, **rest})


def never(line: str) -> None:
    """What is told to nobody's surprise is no test."""
    raise AssertionError(f"it said {line!r}")


def written(path: Path, *records: BindRecord) -> None:
    """The log has these records, by a server that has ended."""
    sink = opened(path)
    sink.write(records)
    sink.close()


def at(time_ns: int) -> BindRecord:
    """A verdict of this time, in nanoseconds since the epoch."""
    return replace(VERDICT, time_ns=time_ns)


class Thread:
    """A thread that works when it is told to, and comes back to the loop when it is told to."""

    def __init__(self) -> None:
        self.given: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def __call__(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        self.given.append((work, then))

    def work(self) -> None:
        """Do what was given."""
        for work, _ in self.given:
            work()

    def turn(self) -> None:
        """Do what was given, and come back."""
        self.work()
        given, self.given = self.given, []
        for _, then in given:
            then()


class Disk:
    """Stands for os.fdatasync: how long each file was when it was asked for, or what is wrong with the disk."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.error: OSError | None = None
        self.syncing: Sequence[Callable[[], object]] = ()  # what happens meanwhile

    def sync(self, fd: int) -> None:
        self.lengths.append(os.fstat(fd).st_size)
        syncing, self.syncing = self.syncing, ()
        for happens in syncing:
            happens()
        if self.error is not None:
            raise self.error


def hand_over(audit: AuditLog, records: Sequence[Record]) -> None:
    """Have the records written at once. Raises what their bind is told."""
    told: list[Exception | None] = []
    audit.write(records, told.append)
    [error] = told
    if error is not None:
        raise error
