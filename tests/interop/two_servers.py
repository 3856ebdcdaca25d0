"""Two LDAP servers that are asked the same, on one connection each, and their answers in a form that can be compared.

What two right servers may do differently is taken out: the order of entries, attributes and values, which of its
names an attribute goes by, how a distinguished name is spelled where that changes no value, and the text for people.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import quote, urlsplit

from ldapserver.controls.responses import POST_READ, PRE_READ
from ldapserver.directory.schema import core
from ldapserver.wire import ber
from ldapserver.wire.codec import decode, encode
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.filters import InvalidFilter, encode_filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    CompareRequest,
    Control,
    LDAPMessage,
    LDAPResult,
    Operation,
    PartialAttribute,
    ResultCode,
    SearchRequest,
    SearchResultEntry,
    SimpleAuthentication,
    UnbindRequest,
)

AT_ONCE = 40  # requests that are sent before answers are read: more than our server has under way at once
NAMES = "1.3.6.1.4.1.1466.115.121.1.12"  # DN
OIDS = "1.3.6.1.4.1.1466.115.121.1.38"
NAMES_WITH_UID = "1.3.6.1.4.1.1466.115.121.1.34"

FEW = 3  # of the entries that are shown of a difference

# What only slapd keeps: its change sequence numbers.
SLAPDS_OWN = frozenset(("entrycsn", "contextcsn"))
OURS_ALONE = frozenset(("numsubordinates",))

Name = tuple[frozenset[tuple[str, bytes]], ...]
Shown = tuple[str, frozenset[object]]  # an attribute: its description and values


@dataclass(frozen=True)
class Answer:
    """All that came back for one request."""

    result_code: int
    matched_dn: Name | str
    entries: frozenset[tuple[Name | str, frozenset[Shown]]] = frozenset()
    count: int = 0  # of entries, for a server may not send one twice
    read: frozenset[tuple[str, Name | str, frozenset[Shown]]] = frozenset()  # in controls: which, and the entry


class Client:
    """One connection to one server."""

    def __init__(self, url: str, dn: str, password: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=20)
        self._framer = Framer(1 << 24)
        self._last = 0
        (answer,) = self.receive(self.send([BindRequest(3, dn, SimpleAuthentication(password.encode()))]))
        assert answer.result_code == ResultCode.SUCCESS, f"{url}: {dn} cannot bind: {answer}"

    def send(self, operations: Sequence[Operation], controls: tuple[Control, ...] = ()) -> dict[int, list[bytes]]:
        """Send all, each with these controls; what `receive` fills with the answers."""
        awaited: dict[int, list[bytes]] = {}
        octets = b""
        for operation in operations:
            self._last += 1
            awaited[self._last] = []
            octets += encode(LDAPMessage(self._last, operation, controls))
        self._socket.sendall(octets)
        return awaited

    def receive(self, awaited: dict[int, list[bytes]]) -> list[Answer]:
        """The answers in the order of the requests."""
        missing = set(awaited)
        while missing:
            element = self._framer.next()
            if element is None:
                self._framer.feed(self._more(missing))
                continue
            start, end = ber.expect(element, 0, len(element), ber.SEQUENCE, "LDAPMessage")
            message_id, operation = ber.integer(element, start, end, "messageID")
            awaited[message_id].append(element[operation:end])
            if element[operation] != SearchResultEntry.tag:
                missing.remove(message_id)
        return [_answer(operations) for operations in awaited.values()]

    def _more(self, missing: set[int]) -> bytes:
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError:
            raise AssertionError(
                f"{self.url}: {len(missing)} requests are not answered, from {min(missing)}"
            ) from None
        assert data, f"{self.url}: the server hung up"
        return data

    def close(self) -> None:
        """Unbind."""
        self.send([UnbindRequest()])
        self._socket.close()


@dataclass(frozen=True)
class Difference:
    """A request that the two answered differently."""

    request: Operation
    theirs: Answer
    ours: Answer

    def __str__(self) -> str:
        lines = [written(self.request)]
        if _result(self.theirs) != _result(self.ours):
            lines.append(f"  result: theirs {_result(self.theirs)}, ours {_result(self.ours)}")
        if self.theirs.read != self.ours.read:
            lines += [f"  theirs read: {_read(self.theirs)}", f"  ours read: {_read(self.ours)}"]
        for whose, some in (("theirs", self.only_theirs), ("ours", self.only_ours)):
            lines += [f"  {whose} alone: {_text(name)} {_values(shown)}" for name, shown in list(some)[:FEW]]
            if len(some) > FEW:
                lines.append(f"  {whose} alone: {len(some) - FEW} more")
        return "\n".join(lines)

    @property
    def only_theirs(self) -> frozenset[tuple[Name | str, frozenset[Shown]]]:
        """Entries that we do not show, or show otherwise."""
        return self.theirs.entries - self.ours.entries

    @property
    def only_ours(self) -> frozenset[tuple[Name | str, frozenset[Shown]]]:
        """Entries that they do not show, or show otherwise."""
        return self.ours.entries - self.theirs.entries

    @property
    def names(self) -> frozenset[Name | str]:
        """Of the entries that one shows and the other does not, or otherwise."""
        return frozenset(name for name, _ in self.only_theirs ^ self.only_ours)


class TwoServers:
    """Theirs, which is the measure, and ours."""

    def __init__(self, theirs: Client, ours: Client) -> None:
        self.theirs = theirs
        self.ours = ours
        self.asked = 0

    def answers(self, request: Operation, controls: tuple[Control, ...] = ()) -> tuple[Answer, Answer]:
        """Theirs and ours to one request."""
        awaited = self.theirs.send([request], controls), self.ours.send([request], controls)
        (theirs,), (ours,) = self.theirs.receive(awaited[0]), self.ours.receive(awaited[1])
        return theirs, ours

    def differences(self, requests: Iterable[Operation]) -> Iterator[Difference]:
        """Ask both; what they disagree about."""
        every = list(requests)
        self.asked += len(every)
        for start in range(0, len(every), AT_ONCE):
            some = every[start : start + AT_ONCE]
            awaited = self.theirs.send(some), self.ours.send(some)
            for request, theirs, ours in zip(
                some, self.theirs.receive(awaited[0]), self.ours.receive(awaited[1]), strict=True
            ):
                if theirs != ours:
                    yield Difference(request, theirs, ours)


@contextmanager
def two_servers(theirs: str, ours: str, dn: str, password: str) -> Iterator[TwoServers]:
    """Bind to both with a name and password that both know."""
    clients = Client(theirs, dn, password), Client(ours, dn, password)
    yield TwoServers(*clients)
    for client in clients:
        client.close()


def written(request: Operation) -> str:
    """A request in the manner of RFC 4516."""
    match request:
        case SearchRequest():
            try:
                filter = encode_filter(request.filter)
            except InvalidFilter:
                filter = repr(request.filter)
            scope = ("base", "one", "sub")[request.scope]
            limits = f" sizeLimit {request.size_limit}" if request.size_limit else ""
            limits += " typesOnly" if request.types_only else ""
            attributes = ",".join(request.attributes)
            return f"search ldap:///{quote(request.base_object, '=,+ ')}?{attributes}?{scope}?{filter}{limits}"
        case CompareRequest():
            about = f"{request.attribute_desc}={request.assertion_value!r}"
            return f"compare ldap:///{quote(request.entry, '=,+ ')} {about}"
        case _:
            return repr(request)


def _result(answer: Answer) -> str:
    name = ResultCode(answer.result_code).name if answer.result_code in list(ResultCode) else answer.result_code
    return f"{name}, matchedDN {_text(answer.matched_dn)!r}, {answer.count} entries"


def _read(answer: Answer) -> str:
    return " ".join(f"{kind} {_text(name)} {_values(shown)}" for kind, name, shown in sorted(answer.read, key=str))


def _text(name: Name | str) -> str:
    if isinstance(name, str):
        return name
    return ",".join("+".join(sorted(f"{type}={value.decode()}" for type, value in rdn)) for rdn in name)


def _values(shown: frozenset[Shown]) -> str:
    return "; ".join(f"{description}: {sorted(map(repr, values))}" for description, values in sorted(shown, key=str))


def _answer(operations: list[bytes]) -> Answer:
    *entries, last = map(_understood, operations)
    assert isinstance(last, Answer)
    shown = [entry for entry in entries if isinstance(entry, tuple)]
    assert len(shown) == len(entries), "a result before the last message"
    return replace(last, entries=frozenset(shown), count=len(shown))


# A program that reads a quarter of a million entries remembers what it has read: most are the same again.
@lru_cache(maxsize=100_000)
def _understood(operation: bytes) -> tuple[Name | str, frozenset[Shown]] | Answer:
    """An entry, or the result in an Answer of its own."""
    message = decode(ber.encoded(ber.SEQUENCE, ber.encoded_integer(1) + operation))
    answer = message.operation
    if isinstance(answer, SearchResultEntry):
        return _entry(answer)
    assert isinstance(answer, LDAPResult), answer
    read = frozenset(_read_entry(each) for each in message.controls if each.control_type in (PRE_READ, POST_READ))
    return Answer(answer.result_code, name_of(answer.matched_dn), read=read)


def _entry(entry: SearchResultEntry) -> tuple[Name | str, frozenset[Shown]]:
    shown = map(_shown, entry.attributes)
    return name_of(entry.object_name), frozenset(each for each in shown if each[0] not in SLAPDS_OWN | OURS_ALONE)


def _read_entry(control: Control) -> tuple[str, Name | str, frozenset[Shown]]:
    """The entry in the control of an answer, RFC 4527 section 3."""
    value = control.control_value or b""
    start, end = ber.expect(value, 0, len(value), value[0], "SearchResultEntry")
    octets = ber.encoded(SearchResultEntry.tag, value[start:end])  # slapd has them in a SEQUENCE of no tag of its own
    entry = decode(ber.encoded(ber.SEQUENCE, ber.encoded_integer(1) + octets)).operation
    assert isinstance(entry, SearchResultEntry)
    return control.control_type, *_entry(entry)


def _shown(attribute: PartialAttribute) -> Shown:
    description = canonical(attribute.type)
    attribute_type = core().attribute_type(description)
    values: list[object] = list(attribute.values)
    if attribute_type is not None and attribute_type.syntax in (NAMES, NAMES_WITH_UID):
        values = [_name_value(value) for value in attribute.values]
    elif attribute_type is not None and attribute_type.syntax == OIDS:
        values = [core().oid(value.decode()) or value for value in attribute.values]
    assert len(set(values)) == len(values), f"{description} has a value twice"
    return description, frozenset(values)


def _name_value(value: bytes) -> object:
    name, hash_sign, uid = value.decode().rpartition("#'")
    return (name_of(name), uid) if hash_sign else name_of(value.decode())


def canonical(description: str) -> str:
    """An attribute description under the first name of its type and with its options in order."""
    name, *options = description.lower().split(";")
    attribute_type = core().attribute_type(name)
    if attribute_type is not None and attribute_type.names:
        name = attribute_type.names[0].lower()
    return ";".join([name, *sorted(options)])


@lru_cache(maxsize=10_000)
def name_of(text: str) -> Name | str:
    """What a DN says, whatever its spelling; no DN is itself."""
    try:
        return tuple(frozenset((canonical(ava.type), ava.value) for ava in rdn) for rdn in DN.parse(text).rdns)
    except InvalidDN:
        return text
