"""Writes what happens on connections into the files of a recording, each event before the next is looked at.

Every write goes to the system at once: a process that is killed has lost what it was about to write, and nothing
before. A message is written when it is whole, or will never be.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ldapserver.capture import recording
from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import Dissector, Read
from ldapserver.capture.secrets import redacted


class Sink(Protocol):
    """A file that is being written; every call may raise OSError."""

    def begin(self, number: int, at: float, client: str, server: str, begun: bool) -> None:
        """A connection with a number of its own."""
        ...

    def say(self, number: int, read: Read, octets: bytes) -> None:
        """What one end said; `octets` are those of `read`, or what stands in for them."""
        ...

    def end(self, number: int, at: float, from_client: bool, end: End) -> None:
        """One end sends no more."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class OwnFile:
    """A new file that only its owner may read. What can't be written whole is taken back, up to the last write."""

    def __init__(self, path: str) -> None:
        """Raises OSError, FileExistsError where there is one: what was recorded before is not written over."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.path = path
        self._size = 0

    def write(self, octets: bytes) -> int:
        """All of it, or OSError and nothing of it."""
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            os.ftruncate(self._descriptor, self._size)
            raise OSError(error.errno, error.strerror, self.path) from None
        self._size += len(octets)
        return len(octets)

    def close(self) -> None:
        """Raises OSError."""
        os.close(self._descriptor)


class TextSink:
    """The readable file."""

    def __init__(self, file: OwnFile, began: float, *, redacted: bool) -> None:
        self._file = file
        self._began = recording.microseconds(began)
        file.write(recording.head(self._began, redacted=redacted))

    def _offset(self, at: float) -> int:
        return recording.microseconds(at) - self._began

    def begin(self, number: int, at: float, client: str, server: str, begun: bool) -> None:
        """See Sink."""
        self._file.write(recording.connection_line(number, self._offset(at), client, server, begun=begun))

    def say(self, number: int, read: Read, octets: bytes) -> None:
        """See Sink."""
        self._file.write(recording.block(number, self._offset(read.at), read, octets))

    def end(self, number: int, at: float, from_client: bool, end: End) -> None:
        """See Sink."""
        self._file.write(recording.end_line(number, self._offset(at), from_client, end))

    def close(self) -> None:
        """See Sink."""
        self._file.close()


@dataclass
class Recorder:
    """Hands what happens to the sinks. One that can't be written to any more is told of once, and left alone."""

    sinks: list[Sink]
    report: Callable[[OSError], object]
    redact: bool = False
    failed: bool = False
    _last: int = 0

    def begin(self, at: float, client: str, server: str, *, begun: bool = True) -> "RecordedConnection":
        """A connection begins; `client` and `server` are HOST:PORT."""
        self._last += 1
        number = self._last
        self._each(lambda sink: sink.begin(number, at, client, server, begun))
        return RecordedConnection(self, number, begun)

    def close(self) -> None:
        """Nothing more comes."""
        self._each(lambda sink: sink.close())
        self.sinks.clear()

    def say(self, number: int, read: Read) -> None:
        """What one end said."""
        octets = redacted(read) if self.redact else read.octets
        self._each(lambda sink: sink.say(number, read, octets))

    def end(self, number: int, piece: Piece, end: End) -> None:
        """One end sends no more."""
        self._each(lambda sink: sink.end(number, piece.at, piece.from_client, end))

    def _each(self, do: Callable[[Sink], None]) -> None:
        for sink in tuple(self.sinks):
            try:
                do(sink)
            except OSError as error:
                self.failed = True
                self.sinks.remove(sink)
                self.report(error)


class RecordedConnection:
    """One connection of a recorder's."""

    def __init__(self, recorder: Recorder, number: int, begun: bool) -> None:
        self._recorder = recorder
        self._number = number
        self._dissector = Dissector(begun=begun)

    def feed(self, piece: Piece) -> None:
        """Octets of one end, or its end."""
        for read in self._dissector.feed(piece):
            self._recorder.say(self._number, read)
        if piece.end is not None:
            self._recorder.end(self._number, piece, piece.end)

    def finish(self) -> None:
        """Nothing more comes: what was no whole message is written as it is."""
        for read in self._dissector.finish():
            self._recorder.say(self._number, read)


def write_recording(path: str, conversations: Iterable[Conversation], *, redact: bool = False) -> None:
    """Write the readable file. Raises OSError, FileExistsError where there is one."""
    conversations = list(conversations)
    began = min((each.pieces[0].at for each in conversations if each.pieces), default=0.0)
    _write([TextSink(OwnFile(path), began, redacted=redact)], conversations, redact)


def write_pcap(path: str, conversations: Iterable[Conversation], *, redact: bool = False) -> None:
    """Write a capture as Wireshark reads it. Raises OSError, FileExistsError where there is one, and MissingExtra."""
    from ldapserver.capture.pcap_file import PcapSink

    _write([PcapSink(OwnFile(path))], conversations, redact)


def _write(sinks: list[Sink], conversations: Iterable[Conversation], redact: bool) -> None:
    recorder = Recorder(sinks, _raise, redact)
    for conversation in conversations:
        at = conversation.pieces[0].at if conversation.pieces else 0.0
        recorded = recorder.begin(at, conversation.client, conversation.server, begun=conversation.begun)
        for piece in conversation.pieces:
            recorded.feed(piece)
        recorded.finish()
    recorder.close()


def _raise(error: OSError) -> None:
    raise error
