"""Answers made wrong, octet by octet: pure functions on whole messages as they would leave."""

from collections.abc import Iterator
from dataclasses import replace

from ldapserver.faults.actions import BrokenBER, Directives, HalfAnswer, NoRspauth, Result
from ldapserver.wire import ber, codec
from ldapserver.wire.messages import BindResponse, IntermediateResponse, SearchResultEntry, SearchResultReference
from ldapserver.wire.messages import Result as FinalResult
from sasl_digest import grammar

_NOT_FINAL = (SearchResultEntry.tag, SearchResultReference.tag, IntermediateResponse.tag)
_NOT_QUOTED = frozenset({b"algorithm", b"charset", b"maxbuf", b"stale"})
_RSPAUTH = b"rspauth="


def messages(data: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """The messages in what leaves: of each its ID, whether it is the last of an answer, and its octets."""
    at = 0
    while at < len(data):
        _, start, stop = ber.header(data, at, len(data), "LDAPMessage")
        message_id, operation = ber.integer(data, start, stop, "messageID")
        yield message_id, data[operation] not in _NOT_FINAL, data[at:stop]
        at = stop


def half(element: bytes, action: HalfAnswer) -> bytes:
    """Its beginning: never all of it, and at least an octet."""
    octets = len(element) // 2 if action.octets is None else action.octets
    return element[: max(1, min(octets, len(element) - 1))]


def broken(element: bytes, action: BrokenBER) -> bytes:
    """The element with BER that cannot be read, in as many octets."""
    _, start, _ = ber.header(element, 0, len(element), "LDAPMessage")
    if action.what == "tag":
        return b"\x31" + element[1:]  # a SET, where a SEQUENCE is due
    if action.what == "indefinite":  # which RFC 4511 section 5.1 has no place for
        return element[:1] + b"\x80" + element[2:]
    # A messageID of two thousand million octets; every message is long enough to say so.
    return element[: start + 1] + b"\x84\x7f\xff\xff\xff" + element[start + 6 :]


def readdressed(element: bytes, by: int) -> bytes:
    """The same message under another ID."""
    _, start, stop = ber.header(element, 0, len(element), "LDAPMessage")
    message_id, at = ber.integer(element, start, stop, "messageID")
    return ber.encoded(ber.SEQUENCE, ber.encoded_integer(message_id + by) + element[at:stop])


def resulting(element: bytes, action: Result) -> bytes:
    """The last message of an answer with this result, and without controls."""
    message = codec.decode(element)
    assert isinstance(message.operation, FinalResult)
    result = type(message.operation)(action.result_code, action.matched_dn, action.text, action.referral)
    return codec.encode(replace(message, operation=result, controls=()))


def challenged(element: bytes, action: Directives) -> bytes | None:
    """The challenge in this message with other directives; None where there is none in it."""
    message = codec.decode(element)
    response = message.operation
    if not isinstance(response, BindResponse) or not response.server_sasl_creds:
        return None
    without = {name.lower().encode() for name in action.without}
    directives = [
        (name, value if name in _NOT_QUOTED else grammar.quoted(value))
        for name, value in grammar.split("digest-challenge", response.server_sasl_creds)
        if name not in without
    ]
    directives += [(name.encode(), value.encode()) for name, value in action.added]
    return codec.encode(replace(message, operation=replace(response, server_sasl_creds=grammar.join(directives))))


def unproved(element: bytes, action: object) -> bytes | None:
    """The success in this message without its proof, or with a wrong one; None where it proves nothing."""
    message = codec.decode(element)
    response = message.operation
    proof = response.server_sasl_creds if isinstance(response, BindResponse) else None
    if not isinstance(response, BindResponse) or proof is None or not proof.startswith(_RSPAUTH):
        return None
    other = None if isinstance(action, NoRspauth) else proof[:-1] + (b"1" if proof.endswith(b"0") else b"0")
    return codec.encode(replace(message, operation=replace(response, server_sasl_creds=other)))
