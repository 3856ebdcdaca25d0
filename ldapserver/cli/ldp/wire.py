"""What goes over the wire while `ldp` works: -v and -vv.

The messages are taken where the strategy of an ldap3 connection hands them to its socket and gets them from it: in
the clear, whole, whatever TLS and whatever security layer is below.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ldapserver.cli.ldp import directives
from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.printable import printable
from ldapserver.terminal import Paint, has_colours
from ldapserver.wire.codec import decode
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    ExtendedRequest,
    LDAPMessage,
    LDAPResult,
    ResultCode,
    SaslAuthentication,
)

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

Say = Callable[[str], None]

SENT, RECEIVED = "->", "<-"
_EXTENSIONS = {"1.3.6.1.4.1.1466.20037": "StartTLS", "1.3.6.1.4.1.4203.1.11.3": "Who am I?"}
_EXTENSIONS |= {"1.3.6.1.4.1.4203.1.11.1": "Password Modify", "1.3.6.1.1.8": "Cancel"}


def watch(connection: "DigestConnection", level: int, say: Say, *, colours: bool | None = None) -> None:
    """Show every message of `connection`, of a synchronous strategy, from here on; `say` is called with each line.

    At `level` 1 what digests say, directive by directive, and where a protection begins; at 2 all messages as trees
    of BER too; at 0 nothing. `colours` are used when standard output and standard error are terminals that have
    them, if it is not said. Passwords, hashes of them and keys are not shown.
    """
    if level <= 0:
        return
    if colours is None:
        # `say` may write to either.
        colours = has_colours(sys.stdout) and has_colours(sys.stderr)
    # Of this connection alone. Any: the stubs of ldap3 know nothing of what a strategy does.
    strategy: Any = connection.strategy
    encode: Any = import_module("ldap3.utils.asn1").encode  # as the strategy encodes what it sends
    view = _View(connection, level, say, Paint(colours))
    send, receive = strategy.sending, strategy.receiving

    def sending(message: Any) -> None:
        # Before it is sent: a later message may end what protects this one, and what fails was tried.
        view.show(SENT, encode(message))
        send(message)

    def receiving() -> Any:
        elements = receive()
        for element in elements or ():
            view.show(RECEIVED, bytes(element))
        return elements

    strategy.sending, strategy.receiving = sending, receiving


class _View:
    """What was seen of one connection, and is needed to explain the next message."""

    def __init__(self, connection: Any, level: int, say: Say, paint: Paint) -> None:
        self._connection = connection
        self._level = level
        self._say = say
        self._paint = paint
        self._is_digest = False  # the bind under way
        self._challenge: bytes | None = None
        self._protection = ""

    def show(self, way: str, element: bytes) -> None:
        """One message more."""
        self._show_protection()
        try:
            message = decode(element)
        except (ProtocolViolation, InvalidRequest):  # one that only pyasn1 can make something of
            message = None
        digest = None if message is None else self._digest_of(message)
        if self._level > 1 or digest:
            self._head(way, element, message)
        if self._level > 1:
            # pyasn1 takes its time to load, and -v has no use for it.
            from ldapserver.cli.ldp.ber_tree import tree

            for line in tree(element):
                self._say(self._coloured(line))
        if digest:
            self._explain(digest)

    def _digest_of(self, message: LDAPMessage) -> bytes | None:
        """The digest-challenge, digest-response or response-auth in a message."""
        operation = message.operation
        if isinstance(operation, BindRequest):
            sasl = operation.authentication
            self._is_digest = isinstance(sasl, SaslAuthentication) and sasl.mechanism == "DIGEST-MD5"
            return sasl.credentials if self._is_digest and isinstance(sasl, SaslAuthentication) else None
        if isinstance(operation, BindResponse) and self._is_digest:
            return operation.server_sasl_creds or None
        return None

    def _show_protection(self) -> None:
        """Say which protection has begun, or has ended."""
        protection = _protection(self._connection)
        if protection != self._protection:
            self._say(self._paint(f"-- from here on {protection or 'in the clear'}", "yellow"))
            self._protection = protection

    def _head(self, way: str, element: bytes, message: LDAPMessage | None) -> None:
        where = f", {self._protection}; shown as it is inside" if self._protection else ""
        name = "not readable" if message is None else _named(message)
        self._say(self._paint(f"{way} {name}, {len(element):,} octets{where}", "bold"))

    def _coloured(self, line: str) -> str:
        at = 5 + 2 + 23
        if line[:5].strip().isdigit():
            return self._paint(line[:at], "dim") + line[at:]
        return self._paint(line, "red")

    def _explain(self, digest: bytes) -> None:
        kind = directives.kind(digest)
        say, paint = self._say, self._paint
        say(paint(f"   {kind}, {len(digest):,} octets", "cyan"))
        for row in directives.described(digest):
            # Names before values: "RFC 2831" stands for all sections without a document of their own.
            say(f"   {row.name:12} {paint(row.value, 'bold')}")
            say(paint(f"   {'':12} {row.meaning} ({_source(row.section)})", "dim"))
        if kind == directives.CHALLENGE:
            self._challenge = digest
        elif kind == directives.RESPONSE and self._challenge is not None:
            say(paint("   chosen, and what the proof is made of (RFC 2831 section 2.1.2.1)", "cyan"))
            for line in directives.chosen(self._challenge, digest):
                say(f"   {line}")
        elif kind == directives.RESPONSE_AUTH:
            say("   the client compares it with what it computes itself; how that ended is said below")


def _source(section: str) -> str:
    return section if section.startswith("[") else f"RFC 2831 section {section}"


def _named(message: LDAPMessage) -> str:
    """A message in half a line."""
    operation = message.operation
    text = f"{type(operation).__name__} (message {message.message_id}"
    if isinstance(operation, BindRequest):
        sasl = operation.authentication
        text += f", SASL {printable(sasl.mechanism)}" if isinstance(sasl, SaslAuthentication) else ", simple"
    elif isinstance(operation, ExtendedRequest):
        text += f", {_EXTENSIONS.get(operation.request_name, printable(operation.request_name))}"
    if isinstance(operation, LDAPResult):
        text += f", {_result(operation.result_code)}"
    return text + ")"


def _result(code: int) -> str:
    if not isinstance(code, ResultCode):
        return f"resultCode {code}"
    first, *others = code.name.lower().split("_")
    return f"{first}{''.join(map(str.capitalize, others))} {int(code)}"


def _protection(connection: Any) -> str:
    """What the octets of a connection are inside of, in words; nothing for in the clear."""
    socket = connection.socket
    inside = []
    layer = getattr(socket, "layer", None)
    if layer is not None:
        cipher = "" if layer.cipher is None else f" with {layer.cipher.decode()}"
        inside.append(f"inside a security layer, {layer.qop.decode()}{cipher}")
    version = getattr(socket, "version", None)
    if callable(version):
        inside.append(f"inside {version() or 'TLS'}")
    return ", ".join(inside)
