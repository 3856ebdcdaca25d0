"""The requests that nearly all messages are, a bind and a search (RFC 4511 sections 4.2 and 4.5.1).

They are compiled, and written as those in `ldap_result` are, which says why.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from ldapserver.wire.codes import DerefAliases, Scope
from ldapserver.wire.filters import Filter
from ldapserver.wire.ldap_result import BindResponse, Message, SearchResultDone


# A password, and what a mechanism sends, are in no repr.
@dataclass(init=False, slots=True, unsafe_hash=True, repr=False)
class SimpleAuthentication(Message):
    """The `simple` choice of a bind, RFC 4511 section 4.2."""

    password: Final[bytes]

    def __init__(self, password: bytes) -> None:
        self.password = password

    def __repr__(self) -> str:
        return "SimpleAuthentication()"


@dataclass(init=False, slots=True, unsafe_hash=True, repr=False)
class SaslAuthentication(Message):
    """The `sasl` choice of a bind, RFC 4511 section 4.2; absent credentials are not empty ones."""

    mechanism: Final[str]
    credentials: Final[bytes | None]

    def __init__(self, mechanism: str, credentials: bytes | None = None) -> None:
        self.mechanism = mechanism
        self.credentials = credentials

    def __repr__(self) -> str:
        return f"SaslAuthentication(mechanism={self.mechanism!r})"


class _Bind(Message):
    __slots__ = ()
    tag: ClassVar[int] = 0x60
    response: ClassVar[type[BindResponse]] = BindResponse


@dataclass(init=False, slots=True, unsafe_hash=True)
class BindRequest(_Bind):
    """RFC 4511 section 4.2."""

    version: Final[int]
    name: Final[str]
    authentication: Final[SimpleAuthentication | SaslAuthentication]

    def __init__(self, version: int, name: str, authentication: SimpleAuthentication | SaslAuthentication) -> None:
        self.version = version
        self.name = name
        self.authentication = authentication


class _Search(Message):
    __slots__ = ()
    tag: ClassVar[int] = 0x63
    response: ClassVar[type[SearchResultDone]] = SearchResultDone


@dataclass(init=False, slots=True, unsafe_hash=True)
class SearchRequest(_Search):
    """RFC 4511 section 4.5.1."""

    base_object: Final[str]
    scope: Final[Scope]
    deref_aliases: Final[DerefAliases]
    size_limit: Final[int]
    time_limit: Final[int]
    types_only: Final[bool]
    filter: Final[Filter]
    attributes: Final[tuple[str, ...]]

    def __init__(
        self,
        base_object: str,
        scope: Scope,
        deref_aliases: DerefAliases,
        size_limit: int,
        time_limit: int,
        types_only: bool,
        filter: Filter,
        attributes: tuple[str, ...],
    ) -> None:
        self.base_object = base_object
        self.scope = scope
        self.deref_aliases = deref_aliases
        self.size_limit = size_limit
        self.time_limit = time_limit
        self.types_only = types_only
        self.filter = filter
        self.attributes = attributes
