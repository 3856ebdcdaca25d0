"""What the Bind operation asks of a mechanism (RFC 4422): an exchange, its steps, and how each step ends."""

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account
from ldapserver.process import Process
from ldapserver.suspension import Host
from sasl_digest import Cipher, Reason, SecurityLayer


@dataclass(frozen=True, slots=True)
class TLS:
    """What is known of the TLS that a connection runs in.

    `end_point` is the data of the channel binding tls-server-end-point (RFC 5929 section 4.1), `client_certificate`
    that of the client in DER: one that was verified in the handshake, None when there was none.
    """

    end_point: bytes
    client_certificate: bytes | None = field(default=None, repr=False)


_OF_TLS = 128  # bits: no cipher suite that TLS 1.2 and later are used with here has fewer
_OF_CIPHER = {Cipher.RC4: 128, Cipher.TRIPLE_DES: 112, Cipher.DES: 56, Cipher.RC4_56: 56, Cipher.RC4_40: 40}


@dataclass(slots=True)  # not frozen, for the same reason as `Facts` are a tuple
class Connection:
    """What an exchange runs over.

    `tls` is None as long as it is in the clear; `local` is whether it is a Unix socket, and `process` who is at its
    other end, where the system says so. `host` is the way to wait, `layer` the security layer of an earlier bind,
    `workstation` what event 4776 says it comes from.
    """

    host: Host
    tls: TLS | None = None
    local: bool = False
    process: Process | None = None
    layer: SecurityLayer | None = field(default=None, repr=False)
    workstation: str = ""

    @property
    def confidential(self) -> bool:
        """Whether nobody between the two ends can read or change it: inside TLS, or within this machine."""
        return self.tls is not None or self.local

    @property
    def client_certificate(self) -> bytes | None:
        """The client's, in DER, where one was verified."""
        return None if self.tls is None else self.tls.client_certificate

    @property
    def strength(self) -> int:
        """The bits of the key that keeps it from others, 0 in the clear."""
        if self.confidential:
            return _OF_TLS
        return 0 if self.layer is None or self.layer.cipher is None else _OF_CIPHER[self.layer.cipher]


# Every bind makes some of these: they are not frozen, which would take four times as long, and those that a success
# makes have an `__init__` of their own, which is compiled where the rest is. That of a dataclass never is.


@dataclass(init=False, slots=True, unsafe_hash=True)
class Facts:
    """What the client said in the exchange, for the record: `username` as it was sent.

    `reading` says in which of several ways it has hashed what is not ASCII, once that is known.
    """

    username: str = ""
    realm: str | None = None
    authzid: str | None = None
    qop: str | None = None
    cipher: str | None = None
    digest_uri: str | None = None
    reading: str | None = None

    def __init__(
        self,
        username: str = "",
        realm: str | None = None,
        authzid: str | None = None,
        qop: str | None = None,
        cipher: str | None = None,
        digest_uri: str | None = None,
        reading: str | None = None,
    ) -> None:
        self.username = username
        self.realm = realm
        self.authzid = authzid
        self.qop = qop
        self.cipher = cipher
        self.digest_uri = digest_uri
        self.reading = reading


NO_FACTS: Final = Facts()


@dataclass(init=False, slots=True)
class Continue:
    """The exchange goes on: `data` goes to the client. With a `reason` the step is worth a record.

    `account` is who was meant, where a password was looked at. `spared` is as in `Refused`, `barred` as in
    `Accepted`.
    """

    data: bytes = field(repr=False)
    reason: Reason | BindReason | None = None
    facts: Facts = NO_FACTS
    detail: str | None = None
    account: Account | None = None
    spared: bool = False
    barred: "Barring | None" = field(default=None, repr=False)

    def __init__(
        self,
        data: bytes,
        reason: Reason | BindReason | None = None,
        facts: Facts = NO_FACTS,
        detail: str | None = None,
        account: Account | None = None,
        spared: bool = False,
        barred: "Barring | None" = None,
    ) -> None:
        self.data = data
        self.reason = reason
        self.facts = facts
        self.detail = detail
        self.account = account
        self.spared = spared
        self.barred = barred


@dataclass(init=False, slots=True)
class Accepted:
    """The client is `account`, `data` its last word from the server, and `layer` what stands behind that word.

    `barred` says how the step ends where the account may not be let in for all that: as it would have with a wrong
    password, after the same work. None is by the refusal itself.
    """

    account: Account
    data: bytes = field(repr=False)
    facts: Facts
    layer: SecurityLayer | None = field(default=None, repr=False)
    detail: str | None = None
    barred: "Barring | None" = field(default=None, repr=False)

    def __init__(
        self,
        account: Account,
        data: bytes,
        facts: Facts,
        layer: SecurityLayer | None = None,
        detail: str | None = None,
        barred: "Barring | None" = None,
    ) -> None:
        self.account = account
        self.data = data
        self.facts = facts
        self.layer = layer
        self.detail = detail
        self.barred = barred


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange is over. `account` is who was meant, where somebody was.

    `spared` is whether a wrong password was the account's own not long ago, and so is not counted.
    """

    reason: Reason | BindReason
    facts: Facts = NO_FACTS
    detail: str | None = None
    account: Account | None = None
    spared: bool = False


Outcome = Continue | Accepted | Refused


class Barring(Protocol):
    """How a step ends where the account may not be let in, though its password was right."""

    def barred(self, refused: Refused) -> Continue | Refused | Coroutine[Any, Any, Continue | Refused]:
        """What comes in place of the step's outcome; `refused` says why."""
        ...


class Exchange(Protocol):
    """One run of a mechanism."""

    package: str
    """What event 4776 calls whoever checks the credentials."""

    def step(self, credentials: bytes | None) -> Outcome | Coroutine[Any, Any, Outcome]:
        """Take the client's credentials, which may be absent in the first step.

        One that may have to wait is an `async def`, or gives a coroutine where it does and an outcome where not.
        """
        ...


class Mechanism(Protocol):
    """A mechanism that the server offers under the name it has in the configuration's mapping."""

    def offered(self, connection: Connection) -> bool:
        """Whether the root DSE lists it on this connection, as this now is (RFC 4512 section 5.1)."""
        ...

    def start(self, connection: Connection) -> Exchange:
        """A new exchange."""
        ...
