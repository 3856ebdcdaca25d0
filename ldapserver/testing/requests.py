"""What clients have asked of a server under test: a value for each request, without secrets, and what came of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Generic, TypeVar, overload

from ldapserver.printable import printable
from ldapserver.testing.names import said_of, same_dn
from ldapserver.testing.secrecy import Value
from ldapserver.wire.messages import ResultCode

# RFC 4511 writes names of result codes so, where taking the underscores out of ours does not.
_SPELT = {
    ResultCode.INVALID_DN_SYNTAX: "invalidDNSyntax",
    ResultCode.NOT_ALLOWED_ON_RDN: "notAllowedOnRDN",
    ResultCode.AFFECTS_MULTIPLE_DSAS: "affectsMultipleDSAs",
}


def result_name(code: int) -> str:
    """What RFC 4511 calls a result code."""
    if not isinstance(code, ResultCode):
        return f"result code {code}"
    first, *rest = code.name.lower().split("_")
    return _SPELT.get(code) or first + "".join(map(str.capitalize, rest))


@dataclass(frozen=True, kw_only=True, repr=False)
class Request:
    """One request. No field holds a secret: `<removed>` stands in its place.

    `time` is the server's clock as it came, in UTC, and `seconds` how long it took by a real one: None as long as
    there is no answer, or where there is none. `identity` is the name of the account that the connection was bound
    as, empty for anonymous, and `identity_dn` its DN. `tls` is whether it came inside TLS, `layer` the qop of the
    security layer. `protected` is whether nobody between the two ends could read it, `password` whether there was one
    in it. `message` is the answer's diagnosticMessage. `controls` are named, a critical one with a "!" behind it.
    """

    operation: ClassVar[str]
    connection: int
    message_id: int
    time: datetime
    identity: str = ""
    identity_dn: str = ""
    identity_names: frozenset[str] = frozenset()
    tls: bool = False
    layer: str | None = None
    protected: bool = False
    password: bool = False
    controls: tuple[str, ...] = ()
    seconds: float | None = None
    result_code: int | None = None
    message: str = ""
    matched_dn: str = ""
    referrals: tuple[str, ...] = ()

    @property
    def dn(self) -> str | None:
        """The entry that it is about, None where it is about none."""
        return None

    @property
    def result(self) -> str | None:
        """The result code's name in RFC 4511, None as long as there is no answer."""
        return None if self.result_code is None else result_name(self.result_code)

    @property
    def succeeded(self) -> bool:
        """Whether it was answered, and not by an error: the steps of a bind and both answers to compare are none."""
        return self.result_code in (0, 5, 6, 14)

    def __str__(self) -> str:
        """What was asked, in one line."""
        with_controls = f", with {', '.join(self.controls)}" if self.controls else ""
        return printable(f"{self.operation}{self._asked()}{with_controls}")

    def __repr__(self) -> str:
        """That, where it came from, and what came of it."""
        who = f" by {printable(self.identity)}" if self.identity else ""
        lasted = "" if self.seconds is None else f" in {self.seconds * 1000:.1f} ms"
        return f"<#{self.connection} [{self.message_id}]{who} {self}: {printable(self.outcome())}{lasted}>"

    def _asked(self) -> str:
        return "" if self.dn is None else f" {self.dn or '(the root)'}"

    def outcome(self) -> str:
        """What came of it, in words."""
        if self.result is None:
            return "no answer"
        return f"{self.result}{f' ({self.message})' if self.message else ''}"

    def details(self) -> Iterator[str]:
        """What is too much for one line."""
        yield from ()


@dataclass(frozen=True, kw_only=True, repr=False)
class BindRequest(Request):
    """A BindRequest: of a SASL exchange there may be two. `server.binds()` has whole binds.

    `mechanism` is `simple`, `anonymous`, or SASL's name; `name` the DN or name of a simple bind, or who a
    DIGEST-MD5 or PLAIN message names. `credentials` is what may be shown of such a message.
    """

    operation = "bind"
    mechanism: str
    name: str
    version: int = 3
    credentials: str | None = None

    def _asked(self) -> str:
        return f", {self.mechanism}{f', {self.name}' if self.name else ''}" + (
            "" if self.version == 3 else f", version {self.version}"
        )

    def details(self) -> Iterator[str]:
        """The directives."""
        if self.credentials is not None:
            yield self.credentials


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchRequest(Request):
    """A search: `scope` is `base`, `one` or `sub`; `entries` and `references` are how many were returned."""

    operation = "search"
    base: str
    scope: str
    filter: str
    attributes: tuple[str, ...] = ()
    size_limit: int = 0
    time_limit: int = 0
    types_only: bool = False
    deref_aliases: str = "never"
    entries: int = 0
    references: int = 0

    @property
    def dn(self) -> str:
        """Where it begins."""
        return self.base

    def _asked(self) -> str:
        limits = "".join(
            f", {words}"
            for given, words in (
                (self.size_limit, f"size limit {self.size_limit}"),
                (self.time_limit, f"time limit {self.time_limit} s"),
                (self.types_only, "types only"),
            )
            if given
        )
        wanted = f", attributes {' '.join(self.attributes)}" if self.attributes else ""
        return f" {self.filter}, {self.scope} of {self.base or '(the root)'}{wanted}{limits}"

    def outcome(self) -> str:
        """What came of it, in words."""
        found = "1 entry" if self.entries == 1 else f"{self.entries} entries"
        references = f", {self.references} references" if self.references else ""
        return f"{super().outcome()}, {found}{references}"


@dataclass(frozen=True, kw_only=True, repr=False)
class _OfAnEntry(Request):
    entry: str

    @property
    def dn(self) -> str:
        """The entry."""
        return self.entry


@dataclass(frozen=True, kw_only=True, repr=False)
class AddRequest(_OfAnEntry):
    """An add: `attributes` by their names as they were sent; a value that is no text is octets."""

    operation = "add"
    attributes: Mapping[str, tuple[Value, ...]] = field(hash=False)

    def details(self) -> Iterator[str]:
        """The attributes."""
        for description, values in self.attributes.items():
            yield f"{description}: {listed(values)}"


@dataclass(frozen=True, kw_only=True, repr=False)
class ModifyRequest(_OfAnEntry):
    """A modify: `changes` are (`add`, `delete`, `replace` or `increment`; attribute; values)."""

    operation = "modify"
    changes: tuple[tuple[str, str, tuple[Value, ...]], ...]

    def details(self) -> Iterator[str]:
        """The changes."""
        for how, description, values in self.changes:
            yield f"{how} {description}{f': {listed(values)}' if values else ''}"


@dataclass(frozen=True, kw_only=True, repr=False)
class DeleteRequest(_OfAnEntry):
    """A delete."""

    operation = "delete"


@dataclass(frozen=True, kw_only=True, repr=False)
class ModifyDNRequest(_OfAnEntry):
    """A modifyDN."""

    operation = "modifyDN"
    new_rdn: str
    delete_old_rdn: bool
    new_superior: str | None = None

    def _asked(self) -> str:
        below = "" if self.new_superior is None else f" below {self.new_superior or '(the root)'}"
        kept = "" if self.delete_old_rdn else ", the old name kept"
        return f" {self.entry} to {self.new_rdn}{below}{kept}"


@dataclass(frozen=True, kw_only=True, repr=False)
class CompareRequest(_OfAnEntry):
    """A compare."""

    operation = "compare"
    attribute: str
    value: Value

    def _asked(self) -> str:
        return f" {self.entry}, {self.attribute}: {listed((self.value,))}"


@dataclass(frozen=True, kw_only=True, repr=False)
class ExtendedRequest(Request):
    """An extended operation: `oid` its request name, `name` what its document calls it, or the OID again.

    `entry` is the userIdentity of a Password Modify, else empty. `value` is what may be shown of the requestValue.
    """

    operation = "extended"
    oid: str
    name: str
    entry: str = ""
    value: str | None = None

    @property
    def dn(self) -> str | None:
        """Whose password it is about, where it is about one and says so."""
        return self.entry or None

    def _asked(self) -> str:
        return f" {self.name}{f', {self.value}' if self.value else ''}"


@dataclass(frozen=True, kw_only=True, repr=False)
class AbandonRequest(Request):
    """An abandon of the request with this message id."""

    operation = "abandon"
    abandoned: int

    def _asked(self) -> str:
        return f" of [{self.abandoned}]"

    def outcome(self) -> str:
        """There is none."""
        return "is never answered"


@dataclass(frozen=True, kw_only=True, repr=False)
class UnbindRequest(Request):
    """The client's word that it goes."""

    operation = "unbind"

    def outcome(self) -> str:
        """There is none."""
        return "is never answered"


@dataclass(frozen=True, kw_only=True, repr=False)
class InvalidRequest(Request):
    """What is no request: octets that are no LDAPMessage, or one that says what cannot be.

    `meant` is the operation that it was meant for, where it said so; `error` which rule is broken.
    """

    operation = "invalid"
    error: str
    meant: str | None = None

    def _asked(self) -> str:
        return f"{f' {self.meant}' if self.meant else ''}: {self.error}"


OPERATIONS = tuple(
    each.operation
    for each in (
        *(BindRequest, SearchRequest, AddRequest, ModifyRequest, DeleteRequest, ModifyDNRequest, CompareRequest),
        *(ExtendedRequest, AbandonRequest, UnbindRequest, InvalidRequest),
    )
)

R = TypeVar("R", bound=Request)
S = TypeVar("S", bound=Request)


@dataclass(frozen=True, repr=False)
class Requests(Sequence[R], Generic[R]):
    """Requests in the order they came in; `forgotten` is how many older ones are not kept any more."""

    items: tuple[R, ...] = ()
    forgotten: int = 0

    @property
    def searches(self) -> "Requests[SearchRequest]":
        """The searches."""
        return self._all(SearchRequest)

    @property
    def binds(self) -> "Requests[BindRequest]":
        """The BindRequests, anonymous ones too, and each step of a SASL exchange."""
        return self._all(BindRequest)

    @property
    def modifies(self) -> "Requests[ModifyRequest]":
        """The modifies."""
        return self._all(ModifyRequest)

    @property
    def adds(self) -> "Requests[AddRequest]":
        """The adds."""
        return self._all(AddRequest)

    @property
    def failed(self) -> "Requests[R]":
        """Those that were answered by an error, and what was no request."""
        return self.where(
            lambda each: isinstance(each, InvalidRequest) or (each.result_code is not None and not each.succeeded)
        )

    @property
    def last(self) -> R:
        """The newest. Raises LookupError where there is none."""
        if not self.items:
            raise LookupError("there was no such request")
        return self.items[-1]

    def of(self, operation: str) -> "Requests[R]":
        """Those of an operation (`"search"`), or of an extended one by its name or OID (`"StartTLS"`).

        Raises ValueError for what is neither.
        """
        asked = operation.lower()
        extended = {each.lower() for each in EXTENDED.values()}
        if asked not in map(str.lower, OPERATIONS) and asked not in extended and not asked.replace(".", "").isdigit():
            known = ", ".join((*OPERATIONS, *EXTENDED.values()))
            raise ValueError(f"{operation!r} is no operation; there are {known}")
        return self.where(lambda each: asked in _operations(each))

    def by(self, who: str) -> "Requests[R]":
        """Those of connections bound as `who`: any name of the account, or its DN; `""` for anonymous."""
        if not who:
            return self.where(lambda each: not each.identity_dn)
        return self.where(lambda each: said_of(who, each.identity_names, each.identity_dn))

    def at(self, dn: str) -> "Requests[R]":
        """Those about the entry of this DN, however it is written; searches that begin there."""
        return self.where(lambda each: each.dn is not None and same_dn(each.dn, dn))

    def on(self, connection: int) -> "Requests[R]":
        """Those of the connection of this number."""
        return self.where(lambda each: each.connection == connection)

    def where(self, test: Callable[[R], bool]) -> "Requests[R]":
        """Those of which `test` is true."""
        return Requests(tuple(filter(test, self.items)), self.forgotten)

    def _all(self, kind: type[S]) -> "Requests[S]":
        return Requests(tuple([each for each in self.items if isinstance(each, kind)]), self.forgotten)

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> "Requests[R]": ...

    def __getitem__(self, index: int | slice) -> "R | Requests[R]":
        return Requests(self.items[index], self.forgotten) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return listing("request", self.items, self.forgotten)


# Extended operations by what their documents call them.
EXTENDED: Mapping[str, str] = {
    "1.3.6.1.4.1.1466.20037": "StartTLS",
    "1.3.6.1.4.1.4203.1.11.1": "Password Modify",
    "1.3.6.1.4.1.4203.1.11.3": "Who am I?",
    "1.3.6.1.1.8": "Cancel",
    "1.3.6.1.4.1.1466.20036": "Notice of Disconnection",
}


def _operations(request: Request) -> set[str]:
    names = {request.operation.lower()}
    if isinstance(request, ExtendedRequest):
        names |= {request.name.lower(), request.oid}
    return names


def listing(noun: str, items: Sequence[object], forgotten: int = 0) -> str:
    """A heading and a line for each."""
    heading = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
    older = f" ({forgotten} older forgotten)" if forgotten else ""
    return "\n  ".join([f"<{heading}{older}>", *map(repr, items)])


def listed(values: Sequence[Value], most: int = 5, length: int = 120) -> str:
    """Values in a line, as many and as long as fit."""
    parts = []
    for value in values[:most]:
        if isinstance(value, bytes):
            parts.append(f"<{len(value)} octets>")
        else:
            cut = value if len(value) <= length else f"{value[:length]}... ({len(value)} characters)"
            parts.append(printable(cut))
    more = [f"... and {len(values) - most} more"] if len(values) > most else []
    return ", ".join(parts + more)
