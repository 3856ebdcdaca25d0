"""The records of a log, JSON and XML in whatever mixture, and how much of it is none."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import BinaryIO

from ldapserver.viewer.event import Event, NotARecord
from ldapserver.viewer.json_form import read_json
from ldapserver.viewer.xml_form import Elements, read_xml

LONGEST = 1 << 20  # octets of a line: memory stays bounded whatever a file is


@dataclass
class Lost:
    """What was no record: how many lines or elements, and where the first one stands, `FILE:LINE`."""

    count: int = 0
    first: str = ""

    def add(self, place: str) -> None:
        """One more."""
        self.count += 1
        self.first = self.first or place

    def __str__(self) -> str:
        told = "1 line is no record" if self.count == 1 else f"{self.count:,} lines are no records, the first"
        return f"{told}: {self.first}"


class Reader:
    """Makes records of the lines of one log.

    Takes them as they come, so that a log that grows is read by the same code as one that has ended.
    """

    def __init__(self, name: str, lost: Lost, *, number: int | None = 0) -> None:
        """`name` is the file's in `lost`; `number` counts the lines before, None where nobody has counted."""
        self._name = name
        self._lost = lost
        self._number = number
        self._elements = Elements()
        self._cut = False  # whether what came last is not the end of its line
        self._passing = False  # over the rest of a line that is too long

    def events(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """The records that end in these lines, each with its end or cut after LONGEST octets."""
        elements = self._elements
        for line in lines:
            if self._number is not None:
                self._number += 1
            if line[0] == 0x7B and line[-1] == 0x0A and not elements.pending and not self._passing:  # {
                try:
                    yield read_json(line)
                except NotARecord:
                    self._lose()
            elif line.startswith(b"<Event ") and line.endswith(b"</Event>\n") and not elements.pending:
                try:
                    yield read_xml(line[:-1])
                except NotARecord:
                    yield from self._others(line)  # several on one line, or none
            else:
                yield from self._others(line)

    def end(self) -> None:
        """The log ends here: what has begun is lost."""
        if self._elements.pending:
            self._elements.drop()
            self._lose()

    def _others(self, line: bytes) -> Iterator[Event]:
        """Of a line that is not simply JSON: XML, the last line without its end, or nothing of ours."""
        if self._cut and self._number is not None:
            self._number -= 1
        self._cut = cut = len(line) >= LONGEST and not line.endswith(b"\n")
        if self._passing:
            self._passing = cut
            return
        told = line.removeprefix(b"\xef\xbb\xbf").strip()
        if told.startswith(b'{"' if self._elements.pending else b"{"):
            self.end()
            self._passing = cut
            try:
                yield read_json(told)
            except NotARecord:
                self._lose()
        elif told.startswith(b"<") or self._elements.pending:
            for element in self._elements.feed(line):
                try:
                    if element is None:
                        raise NotARecord("no event")
                    yield read_xml(element)
                except NotARecord:
                    self._lose()
            self._passing = cut and not self._elements.pending
        elif told:
            self._passing = cut
            self._lose()

    def _lose(self) -> None:
        self._lost.add(self._name if self._number is None else f"{self._name}:{self._number}")


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, those longer than LONGEST in pieces. Raises OSError, EOFError and zlib.error."""
    return iter(partial(file.readline, LONGEST), b"")


def read(file: BinaryIO, name: str, lost: Lost) -> Iterator[Event]:
    """The records of a file to its end. Raises OSError, EOFError and zlib.error, of a file that is cut or broken."""
    reader = Reader(name, lost)
    yield from reader.events(lines_of(file))
    reader.end()


def merged(logs: Iterable[Iterable[Event]]) -> Iterator[Event]:
    """The records of several logs by their times; what is equal in the order of the logs, each in its own order."""
    logs = list(logs)
    return iter(logs[0]) if len(logs) == 1 else heapq.merge(*logs, key=attrgetter("time"))
