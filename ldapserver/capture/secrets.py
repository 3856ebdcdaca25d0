"""Where a message holds a secret: passwords of binds, values of password attributes, those of Password Modify.

What is found is written over octet by octet, so that every length in the message stays as it was, in whatever form
of BER it was written; how long a password is, is told then. Strings of DIGEST-MD5 are no secrets by themselves and
stay, for `ldp explain` needs them; whoever has them can try passwords on them.
"""

from collections.abc import Iterator

from ldapserver.capture.messages import TLS, Message, Read, Unreadable
from ldapserver.directory.entry import is_password
from ldapserver.errors import ProtocolViolation
from ldapserver.wire import ber
from ldapserver.wire import messages as m

BLOT = b"x"

# Whose credentials are made of a secret without holding it; those of any other may be one, as a token of OAUTHBEARER.
_TOKENS = (b"DIGEST-MD5", b"CRAM-MD5", b"NTLM", b"GSSAPI", b"GSS-SPNEGO", b"EXTERNAL")

PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"  # RFC 3062
_READ_ENTRY = (b"1.3.6.1.1.13.1", b"1.3.6.1.1.13.2")  # pre-read and post-read, RFC 4527
_ASSERTION = b"1.3.6.1.1.12"  # RFC 4528
_MATCHED_VALUES = b"1.2.826.0.1.3344810.2.3"  # RFC 3876

_EQUALITY = (0xA3, 0xA5, 0xA6, 0xA8)  # filters that are an AttributeValueAssertion, RFC 4511 section 4.5.1.7
_CONNECTIVES = (0xA0, 0xA1, 0xA2)
_SUBSTRINGS = 0xA4
_EXTENSIBLE = 0xA9

Span = tuple[int, int]


def redacted(read: Read) -> bytes:
    """The octets of `read`, as many as there were, without the secrets that it holds or may hold."""
    if isinstance(read, Unreadable):
        # What TLS carries is a secret already; anything else may be what was to be hidden, as in a layer of auth-int.
        return read.octets if read.reason == TLS else BLOT * len(read.octets)
    octets = bytearray(read.octets)
    for start, stop in secret_spans(read):
        octets[start:stop] = BLOT * (stop - start)
    return bytes(octets)


def secret_spans(read: Message) -> list[Span]:
    """Where the secrets of a message begin and end; all behind its header, where its contents can't be followed."""
    data = read.element
    start, stop = ber.header(data, 0, len(data), "LDAPMessage")[1:]
    if read.message is None:
        return [(start, stop)]
    try:
        return [span for span in _of_message(data, start, stop) if span[0] < span[1]]
    except (ProtocolViolation, IndexError, ValueError):
        return [(start, stop)]


def _elements(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, start and end of the contents of each element."""
    while pos < end:
        tag, start, pos = ber.header(data, pos, end, "element")
        yield tag, start, pos


def _of_message(data: bytes, pos: int, end: int) -> Iterator[Span]:
    _, (tag, start, stop), *more = _elements(data, pos, end)
    parts = list(_elements(data, start, stop)) if tag & ber.CONSTRUCTED else []
    if tag == m.BindRequest.tag:
        yield from _of_bind(data, parts[2])
    elif tag in (m.AddRequest.tag, m.SearchResultEntry.tag):
        yield from _of_attributes(data, parts[1])
    elif tag == m.ModifyRequest.tag:
        for _, at, until in _elements(data, *parts[1][1:]):
            yield from _of_attribute(data, list(_elements(data, at, until))[1])
    elif tag == m.CompareRequest.tag:
        yield from _of_assertion(data, parts[1])
    elif tag == m.SearchRequest.tag:
        yield from _of_filter(data, parts[6])
    elif tag == m.ExtendedRequest.tag and len(parts) > 1 and data[parts[0][1] : parts[0][2]] == PASSWORD_MODIFY:
        yield from _of_password_modify(data, parts[1], (0x81, 0x82))
    elif tag == m.ExtendedResponse.tag:
        yield from _of_extended_response(data, parts)
    for kind, at, until in more:
        if kind == 0xA0:
            for _, control, control_end in _elements(data, at, until):
                yield from _of_control(data, list(_elements(data, control, control_end)))


def _of_bind(data: bytes, choice: tuple[int, int, int]) -> Iterator[Span]:
    tag, start, stop = choice
    if tag != 0xA3:  # simple, and what Windows has beside it
        yield start, stop
        return
    parts = list(_elements(data, start, stop))
    mechanism = data[parts[0][1] : parts[0][2]].upper()
    if len(parts) > 1 and mechanism not in _TOKENS and not mechanism.startswith(b"SCRAM-"):
        _, start, stop = parts[1]
        # message = [authzid] UTF8NUL authcid UTF8NUL passwd, RFC 4616 section 2
        named = mechanism == b"PLAIN" and data.count(b"\0", start, stop) == 2
        yield data.rfind(b"\0", start, stop) + 1 if named else start, stop


def _of_attributes(data: bytes, listed: tuple[int, int, int]) -> Iterator[Span]:
    for each in _elements(data, *listed[1:]):
        yield from _of_attribute(data, each)


def _of_attribute(data: bytes, attribute: tuple[int, int, int]) -> Iterator[Span]:
    description, values = list(_elements(data, *attribute[1:]))[:2]
    if _secret(data, description):
        for _, start, stop in _elements(data, *values[1:]):
            yield start, stop


def _of_assertion(data: bytes, assertion: tuple[int, int, int]) -> Iterator[Span]:
    description, value = list(_elements(data, *assertion[1:]))[:2]
    if _secret(data, description):
        yield value[1:]


def _of_filter(data: bytes, root: tuple[int, int, int]) -> Iterator[Span]:
    waiting = [root]
    while waiting:
        tag, start, stop = waiting.pop()
        if tag in _CONNECTIVES:
            waiting += _elements(data, start, stop)
        elif tag in _EQUALITY:
            yield from _of_assertion(data, (tag, start, stop))
        elif tag == _SUBSTRINGS:
            yield from _of_attribute(data, (tag, start, stop))
        elif tag == _EXTENSIBLE:
            parts = {kind: (kind, at, until) for kind, at, until in _elements(data, start, stop)}
            if 0x82 in parts and 0x83 in parts and _secret(data, parts[0x82]):
                yield parts[0x83][1:]


def _of_extended_response(data: bytes, parts: list[tuple[int, int, int]]) -> Iterator[Span]:
    """A password that the server made up: which request is answered does not matter, what has its form is hidden."""
    for tag, start, stop in parts:
        if tag == 0x8B and data[start : start + 1] == b"\x30":
            yield from _of_password_modify(data, (tag, start, stop), (0x80,))


def _of_password_modify(data: bytes, value: tuple[int, int, int], secret: tuple[int, ...]) -> Iterator[Span]:
    """RFC 3062: a request is { userIdentity [0], oldPasswd [1], newPasswd [2] }, a response { genPasswd [0] }."""
    for _, start, stop in _elements(data, *value[1:]):
        for tag, at, until in _elements(data, start, stop):
            if tag in secret:
                yield at, until


def _of_control(data: bytes, parts: list[tuple[int, int, int]]) -> Iterator[Span]:
    kind, value = data[parts[0][1] : parts[0][2]], parts[-1]
    if value[0] != ber.OCTET_STRING or len(parts) == 1 or value[1] == value[2]:
        return
    if kind in _READ_ENTRY:
        # A request has a list of names there, which are no secrets; a response an entry.
        for tag, start, stop in _elements(data, *value[1:]):
            if tag == m.SearchResultEntry.tag:
                yield from _of_attributes(data, list(_elements(data, start, stop))[1])
    elif kind == _ASSERTION:
        for each in _elements(data, *value[1:]):
            yield from _of_filter(data, each)
    elif kind == _MATCHED_VALUES:
        for _, start, stop in _elements(data, *value[1:]):
            for each in _elements(data, start, stop):
                yield from _of_filter(data, each)


def _secret(data: bytes, description: tuple[int, int, int]) -> bool:
    return is_password(data[description[1] : description[2]].decode("utf-8", "replace"))
