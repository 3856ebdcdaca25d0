"""In which form records are shown, one after the other: a table, JSON lines, an XML document."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from ldapserver.terminal import console, is_terminal
from ldapserver.viewer.event import Event
from ldapserver.viewer.table import HEADINGS, LOG, Screen, cells, plain, widest
from ldapserver.viewer.windows_event import json_of
from ldapserver.viewer.xml_form import xml_of


class Output(Protocol):
    """Where records are shown."""

    left_out: int

    def begin(self) -> None:
        """What stands above the records, if it does not stand there yet: it waits for the first. Raises OSError."""
        ...

    def show(self, event: Event) -> bool:
        """One more; whether this form has a place for it, else it counts as left out. Raises OSError."""
        ...

    def flush(self) -> None:
        """Whoever reads may have it all now. Raises OSError."""
        ...


class _ToFile:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.left_out = 0

    def begin(self) -> None:
        """See `Output`: nothing does."""

    def flush(self) -> None:
        self._file.flush()


class PlainTable(_ToFile):
    """A line each, in columns, for pipes and files; `labels` are what logs are called, where there are several."""

    def __init__(self, file: BinaryIO, labels: Mapping[str, str]) -> None:
        super().__init__(file)
        self._labels = labels
        self._log_width = widest(labels)
        self._begun = False

    def begin(self) -> None:
        """See `Output`: the heading."""
        if not self._begun:
            self._begun = True
            self._file.write(f"{plain(HEADINGS, LOG, self._log_width)}\n".encode())

    def show(self, event: Event) -> bool:
        """See `Output`."""
        self.begin()
        log = self._labels.get(event.log or "", "")
        self._file.write(f"{plain(cells(event), log, self._log_width)}\n".encode())
        return True


class JSONLines(_ToFile):
    """The lines of the log as they are; events that were XML as JSON."""

    def show(self, event: Event) -> bool:
        """See `Output`."""
        text = json_of(event)
        self._file.write((text if text.endswith("\n") else f"{text}\n").encode())
        return True


class XMLDocument(_ToFile):
    """The events of an `<Events>` document, one a line; a bind that reached no verdict has no place in it."""

    def show(self, event: Event) -> bool:
        """See `Output`."""
        text = xml_of(event)
        if text is None:
            self.left_out += 1
            return False
        self._file.write(f"{text.strip()}\n".encode())
        return True


class TerminalTable:
    """Rows on a terminal; `labels` as of `PlainTable`."""

    def __init__(self, screen: Screen, labels: Mapping[str, str]) -> None:
        self._screen = screen
        self._labels = labels
        self._begun = False
        self.left_out = 0

    def begin(self) -> None:
        """See `Output`: the heading."""
        if not self._begun:
            self._begun = True
            self._screen.show(HEADINGS, LOG, heading=True)

    def show(self, event: Event) -> bool:
        """See `Output`."""
        self.begin()
        self._screen.show(cells(event), self._labels.get(event.log or "", ""))
        return True

    def flush(self) -> None:
        """A terminal has all that was shown."""


@contextmanager
def json_lines() -> Iterator[Output]:
    """JSON lines on standard output."""
    output = JSONLines(sys.stdout.buffer)
    yield output
    output.flush()


@contextmanager
def xml_document() -> Iterator[Output]:
    """A document on standard output, which ends with the block."""
    output = XMLDocument(sys.stdout.buffer)
    sys.stdout.buffer.write(b'<?xml version="1.0" encoding="utf-8"?>\n<Events>\n')
    yield output
    sys.stdout.buffer.write(b"</Events>\n")
    output.flush()


@contextmanager
def table(labels: Mapping[str, str]) -> Iterator[Output]:
    """A table on standard output, as it suits a terminal or a pipe; without records it has no heading either.

    Where several logs are shown, `labels` are what they are called there.
    """
    if not is_terminal():
        output = PlainTable(sys.stdout.buffer, labels)
        yield output
        output.flush()
        return
    yield TerminalTable(Screen(console(), widest(labels)), labels)
