"""Recordings made and played in a test: `recording` is a proxy to any server, `replaying` a server of a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ldapserver.capture.conversation import Conversation
from ldapserver.capture.proof import Proof
from ldapserver.capture.recorder import Recorder, Sink, write_pcap, write_recording
from ldapserver.capture.replay import Replay
from ldapserver.capture.script import CannotReplay, script_of
from ldapserver.capture.source import read_conversations
from ldapserver.capture.tape import Tape
from ldapserver.clock import SYSTEM_CLOCK
from ldapserver.testing.loop import Loop, loop
from ldapserver.url import ListenURL
from sasl_digest import Password

if TYPE_CHECKING:
    from ldapserver.capture.proxy import RecordingProxy

_TURNS = 3  # of the loop: one to accept, one to read, one to see the end
_HERE = (ListenURL("127.0.0.1", 0), "127.0.0.1")


class ReplayMismatch(AssertionError):
    """A client under test did not do what was recorded; the text has a line for each request."""


@dataclass
class RecordingServer:
    """A proxy that records; `url` is where clients connect to."""

    url: str
    _loop: Loop = field(repr=False)
    _tape: Tape = field(repr=False)

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """What was said until now, whole messages of it, a connection each."""
        _settle(self._loop)
        return self._loop.call(self._tape.conversations)

    def save(self, path: str, *, redact: bool = False) -> None:
        """Write the readable file. Raises OSError, FileExistsError where there is one."""
        write_recording(path, self.conversations, redact=redact)

    def save_pcap(self, path: str, *, redact: bool = False) -> None:
        """Write a capture for Wireshark. Raises OSError, FileExistsError where there is one, and MissingExtra."""
        write_pcap(path, self.conversations, redact=redact)


@contextmanager
def recording(to: str, *, ca: str | None = None) -> Iterator[RecordingServer]:
    """A proxy to the server at a URL; one at ldaps:// is verified by the CAs in the PEM file `ca`, or the system's.

    Raises InvalidURL, and InvalidCertificate and OSError for `ca`.
    """
    # Here, for Twisted's end points take longer to import than a server to start, and most tests don't need them.
    from ldapserver.capture.listening import open_port, trusted_by, upstream
    from ldapserver.capture.proxy import RecordingProxy

    running, target, tape = loop(), ListenURL.parse(to), Tape()
    trusted: Any = None
    if target.tls:
        pem = None
        if ca is not None:
            with open(ca, "rb") as file:
                pem = file.read()
        trusted = trusted_by(pem)
    sinks: list[Sink] = [tape]
    recorder = Recorder(sinks, print)

    def start() -> "tuple[RecordingProxy, ListenURL, Any]":
        proxy = RecordingProxy(upstream(running.reactor, target, trusted), recorder, SYSTEM_CLOCK.seconds)
        return proxy, *open_port(running.reactor, _HERE, proxy)

    proxy, url, port = running.call(start)
    try:
        yield RecordingServer(str(url), running, tape)
    finally:
        running.call(port.stopListening)
        _settle(running)
        running.call(proxy.stop)


def _settle(running: Loop) -> None:
    """Let the loop read what has arrived: what a client sent last, and did not wait for."""
    from twisted.internet.task import deferLater

    for _ in range(_TURNS):
        running.call(deferLater, running.reactor, 0)


@dataclass
class ReplayServer:
    """A server that plays a recording; `url` is where clients connect to."""

    url: str
    _loop: Loop = field(repr=False)
    _replay: Replay = field(repr=False)

    @property
    def mismatches(self) -> list[str]:
        """The requests until now that were not recorded, each in a line that says what was expected."""
        return self._loop.call(lambda: list(self._replay.mismatches))

    @property
    def unasked(self) -> list[str]:
        """The recorded requests that nobody has asked until now, each in a line."""
        return self._loop.call(lambda: list(self._replay.summing_up()))


@contextmanager
def replaying(path: str, *, strict: bool = False, password: str | None = None) -> Iterator[ReplayServer]:
    """A server that plays the recording in a file, as `ldapserver replay` does.

    With `strict` the end of the `with` raises ReplayMismatch where a request was not the recorded one or was never
    asked, and what cannot be replayed raises CannotReplay at once. `password` is that of DIGEST-MD5 binds: rspauth is
    made of it. Raises OSError, and ValueErrors that say what is wrong with the file.
    """
    from ldapserver.capture.listening import open_port
    from ldapserver.capture.replay_protocol import ReplayFactory

    warnings: list[str] = []
    recorded = read_conversations(path, warnings.append)
    script = script_of(recorded.conversations, warnings.append, redacted=recorded.redacted)
    if strict and warnings:
        raise CannotReplay("\n".join([f"{path}:", *warnings]))
    replay = Replay(script, strict, None if password is None else Proof(Password(password)))
    factory = ReplayFactory(replay)
    running = loop()
    url, port = running.call(open_port, running.reactor, _HERE, factory)
    try:
        yield ReplayServer(str(url), running, replay)
    finally:
        running.call(port.stopListening)
        running.call(factory.stop)
    if strict and (wrong := [*replay.mismatches, *replay.summing_up()]):
        raise ReplayMismatch("\n".join([f"{path}:", *wrong]))
