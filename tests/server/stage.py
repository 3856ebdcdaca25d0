"""A server without a network: a Service over a small directory in plain sight, and a channel that only remembers.

What waits here waits until the test says so: `Channel.pauses` and `Channel.offloaded` hold it.
"""

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, TypeVar

from ldapserver.audit.log import AuditLog
from ldapserver.audit.record import BindRecord, EventRecord
from ldapserver.audit.sinks import MemorySink, Sink
from ldapserver.clock import SYSTEM_CLOCK, Clock, StoppedClock
from ldapserver.config import Config
from ldapserver.directory.account import Account
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.process import Process
from ldapserver.service import Peer, Service
from ldapserver.session import Session
from ldapserver.suspension import Suspension
from ldapserver.wire import codec
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import Filter, parse_filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    Control,
    DerefAliases,
    ExtendedRequest,
    ExtendedResponse,
    LDAPMessage,
    LDAPResult,
    Operation,
    ResultCode,
    SaslAuthentication,
    Scope,
    SearchRequest,
    SearchResultEntry,
    SimpleAuthentication,
)
from sasl_digest import DigestChallenge
from sasl_digest.nonces import Nonces

T = TypeVar("T")

NOTICE = "1.3.6.1.4.1.1466.20036"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
U1 = "uid=u1,ou=people,dc=contoso,dc=com"
REALM = "contoso.com"
URI = "ldap/dc1.contoso.com"

SALTED = "{SSHA}" + b64encode(hashlib.sha1(b"saltedpw" + b"salt").digest() + b"salt").decode()
HASHED = f"{{HA1}}{REALM}:" + md5(b"hashed:contoso.com:hashedpw").hexdigest()

LDIF = f"""\
dn: dc=contoso,dc=com
objectClass: domain
dc: contoso
description: The Contoso test domain

dn: ou=people,dc=contoso,dc=com
objectClass: organizationalUnit
ou: people

dn: {U1}
objectClass: inetOrgPerson
uid: u1
sAMAccountName: u1
userPrincipalName: u1@contoso.com
cn: Una One
cn;lang-de: Una Eins
sn: One
mail: una.one@contoso.com
userPassword: password

dn: uid=u2,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: u2
cn: Ugo Two
sn: Two
userPassword: another

dn: uid=jürgen,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: jürgen
cn: Jürgen Groß
sn: Groß
userPassword: pässwörd

dn: uid=hashed,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: hashed
cn: Hanna Hashed
sn: Hashed
userPassword: {HASHED}

dn: uid=salted,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: salted
cn: Salome Salted
sn: Salted
userPassword: {SALTED}

dn: uid=nobody,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: secretless
cn: Sam Secretless
sn: Secretless

dn: cn=Twin A,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin A
sn: Twin
userPassword: password

dn: cn=Twin B,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin B
sn: Twin
userPassword: password
"""

_DERIVED = b64encode(hashlib.pbkdf2_hmac("sha256", b"dearpw", b"salt", 2)).decode()
# With this one the decoy is dear too, so that every simple bind of a name that nobody has is offloaded.
DEAR = f"""
dn: uid=dear,ou=people,dc=contoso,dc=com
objectClass: inetOrgPerson
uid: dear
cn: Dora Dear
sn: Dear
userPassword: {{PBKDF2-SHA256}}2${b64encode(b"salt").decode()}${_DERIVED}
"""

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # a Friday

CONFIG = {
    "realm": REALM,
    "netbios": "CONTOSO",
    "hosts": ("dc1.contoso.com",),
    "computer": "ldap1.contoso.com",
    "workstation": "LDAP1",
}


@dataclass
class Channel:
    """A transport that only remembers."""

    written: bytearray = field(default_factory=bytearray)
    writable: bool = True
    closed: bool = False
    writes: int = 0
    handshakes: int = 0  # begun
    resumed: int = 0
    settlements: int = 0  # binds recorded after the connection was lost
    full: bool = False  # whether no more work may be offloaded
    failures: list[Exception] = field(default_factory=list)
    pauses: list[Suspension[None]] = field(default_factory=list)
    offloaded: list[tuple[Callable[[], Any], Suspension[Any]]] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        assert not self.closed, "written to after it was closed"
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self.closed = True

    def start_tls(self) -> None:
        assert not self.closed, "a handshake on what was closed"
        self.handshakes += 1

    def resume_reading(self) -> None:
        assert not self.closed, "octets are wanted of what was closed"
        self.resumed += 1

    def failed(self, error: Exception) -> None:
        self.failures.append(error)

    def settled(self) -> None:
        self.settlements += 1

    def pause(self) -> Suspension[None]:
        self.pauses.append(Suspension())
        return self.pauses[-1]

    def offload(self, work: Callable[[], T]) -> Suspension[T] | None:
        if self.full:
            return None
        suspension: Suspension[T] = Suspension()
        self.offloaded.append((work, suspension))
        return suspension

    def turn(self) -> bool:
        """One turn of the loop: what paused goes on; whether anything had."""
        pauses, self.pauses = self.pauses, []
        for pause in pauses:
            pause.resume(None)
        return bool(pauses)

    def work(self) -> None:
        """Do what was offloaded."""
        offloaded, self.offloaded = self.offloaded, []
        for work, suspension in offloaded:
            suspension.resume(work())

    def taken(self) -> list[LDAPMessage]:
        """The messages written since they were last taken."""
        framer = Framer(1 << 30)
        framer.feed(bytes(self.written))
        self.written.clear()
        messages = [codec.decode(element) for element in iter(framer.next, None)]
        assert not framer.pending, "half a message was written"
        return messages


class Stage:
    """A session, its channel, and the records it left."""

    def __init__(
        self, service: Service, sink: MemorySink, connection: int = 12, process: Process | None = None
    ) -> None:
        self.service = service
        self.sink = sink
        self.channel = Channel()
        peer = Peer(connection, "192.0.2.10", 50123)
        if process is not None:  # at the other end of a Unix socket
            peer = Peer(connection, None, None, local=True, process=process)
        self.session = Session(service, peer, self.channel)
        self.last_id = 0

    @property
    def records(self) -> list[BindRecord]:
        """The record of every bind, in order."""
        return [record for record in self.sink.records if isinstance(record, BindRecord)]

    @property
    def events(self) -> list[EventRecord]:
        """The Windows events beside 4776, in order."""
        return [record for record in self.sink.records if isinstance(record, EventRecord)]

    @property
    def reasons(self) -> list[str]:
        """The reason of every record."""
        return [record.reason.value for record in self.records]

    @property
    def verdicts(self) -> list[BindRecord]:
        """The records that are event 4776."""
        return [record for record in self.records if record.status is not None]

    def send(self, *operations: Operation, controls: tuple[Control, ...] = ()) -> list[LDAPMessage]:
        """Send these in one piece under the next message ids; what is answered at once."""
        self.session.data_received(b"".join(self.encoded(operation, controls) for operation in operations))
        return self.channel.taken()

    def encoded(self, operation: Operation, controls: tuple[Control, ...] = ()) -> bytes:
        """The operation's octets, under the next message id."""
        self.last_id += 1
        return codec.encode(LDAPMessage(self.last_id, operation, controls))

    def ask(self, operation: Operation, controls: tuple[Control, ...] = ()) -> LDAPResult:
        """The one answer to this operation."""
        (message,) = self.send(operation, controls=controls)
        assert message.message_id == self.last_id
        assert isinstance(message.operation, LDAPResult)
        return message.operation

    def bind(self, request: BindRequest) -> BindResponse:
        """The answer to this bind."""
        response = self.ask(request)
        assert isinstance(response, BindResponse)
        return response

    def challenge(self) -> bytes:
        """Begin a DIGEST-MD5 bind; the challenge."""
        response = self.bind(sasl())
        assert response.result_code is ResultCode.SASL_BIND_IN_PROGRESS
        assert response.server_sasl_creds is not None
        return response.server_sasl_creds

    def digest(self, username: str = "u1", password: str = "password", **rest: Any) -> BindResponse:
        """The last answer to a whole DIGEST-MD5 bind."""
        return self.bind(sasl(digest_response(self.challenge(), username, password, **rest)))

    def who(self) -> str:
        """Who the connection is, in its own words."""
        response = self.ask(ExtendedRequest(WHO_AM_I))
        assert isinstance(response, ExtendedResponse)
        assert response.response_value is not None
        return response.response_value.decode()

    def search(self, request: SearchRequest) -> tuple[dict[str, dict[str, tuple[bytes, ...]]], LDAPResult]:
        """The entries found, all turns taken, and the result."""
        messages = self.send(request)
        while self.channel.turn():
            messages += self.channel.taken()
        *found, done = [message.operation for message in messages]
        assert isinstance(done, LDAPResult)
        assert all(isinstance(entry, SearchResultEntry) for entry in found)
        return {
            entry.object_name: {attribute.type: attribute.values for attribute in entry.attributes}
            for entry in found
            if isinstance(entry, SearchResultEntry)
        }, done


def stage(
    ldif: str = LDIF,
    *,
    directory: Directory | None = None,
    sinks: Sequence[Sink] = (),
    best_effort: bool = False,
    clock: Clock = SYSTEM_CLOCK,
    nonces: Nonces | None = None,
    report: Callable[[str], object] = lambda line: None,
    start_tls: bool = False,
    process: Process | None = None,
    **settings: Any,
) -> Stage:
    """A new session of a server with this directory and these settings; `sinks` come before the one that is read."""
    assert directory is None or clock is SYSTEM_CLOCK, "a directory has a clock already"
    if directory is None:
        directory = MemoryDirectory([("stage", read_ldif(ldif, "stage"))], netbios="CONTOSO", clock=clock)
    sink = MemorySink()
    audit = AuditLog([*sinks, sink], best_effort=best_effort, report=report)
    service = Service.assemble(Config(**{**CONFIG, **settings}), directory, audit, nonces)
    return Stage(replace(service, start_tls=start_tls), sink, process=process)


def stopped() -> StoppedClock:
    """A clock for a server, that goes when it is told to."""
    return StoppedClock(NOW)


def sasl(credentials: bytes | None = None, mechanism: str = "DIGEST-MD5") -> BindRequest:
    """A SASL bind."""
    return BindRequest(3, "", SaslAuthentication(mechanism, credentials))


def simple(name: str = "", password: bytes | str = b"", version: int = 3) -> BindRequest:
    """A simple bind; anonymous when nothing is said."""
    octets = password.encode() if isinstance(password, str) else password
    return BindRequest(version, name, SimpleAuthentication(octets))


def search(
    base: str = "dc=contoso,dc=com",
    scope: Scope = Scope.WHOLE_SUBTREE,
    filter: str = "(objectClass=*)",
    attributes: tuple[str, ...] = (),
    *,
    size_limit: int = 0,
    time_limit: int = 0,
    types_only: bool = False,
) -> SearchRequest:
    """A search."""
    never = DerefAliases.NEVER_DEREF_ALIASES
    return SearchRequest(base, scope, never, size_limit, time_limit, types_only, parse_filter(filter), attributes)


def digest_response(
    challenge: bytes,
    username: str,
    password: str,
    *,
    realm: str | None = REALM,
    authzid: str | None = None,
    nonce: bytes | None = None,
    nc: str = "00000001",
    uri: str = URI,
    qop: str = "auth",
    more: str = "",
) -> bytes:
    """A digest-response by the formulas of RFC 2831 section 2.1.2.1, whatever it is to be wrong in."""
    nonce = DigestChallenge.parse(challenge).nonce if nonce is None else nonce
    user, domain, secret = username.encode(), (realm or "").encode(), password.encode()
    a1 = md5(b"%b:%b:%b" % (user, domain, secret)).digest() + b":%b:MARKCNONCE" % nonce
    a1 += b"" if authzid is None else b":" + authzid.encode()
    a2 = f"AUTHENTICATE:{uri}{'' if qop == 'auth' else ':' + 32 * '0'}".encode()
    keyed = b":".join([md5(a1).hexdigest().encode(), nonce, nc.encode(), b"MARKCNONCE", qop.encode()])
    response = md5(keyed + b":" + md5(a2).hexdigest().encode()).hexdigest()
    quoted = username.replace("\\", "\\\\").replace('"', '\\"')
    directives = [f'charset=utf-8,username="{quoted}"']
    directives += [] if realm is None else [f'realm="{realm}"']
    directives += [f'nonce="{nonce.decode("latin-1")}",nc={nc},cnonce="MARKCNONCE",digest-uri="{uri}"']
    directives += [f"response={response},qop={qop}"]
    directives += [] if authzid is None else [f'authzid="{authzid}"']
    return (",".join(directives) + more).encode()


class Faulty(MemoryDirectory):
    """A directory that breaks in whatever it is asked."""

    async def find_account(self, name: str) -> Account | None:
        raise KeyError("a bug")

    async def read(self, dn: DN) -> Entry | None:
        raise KeyError("a bug")

    def search(self, base: DN, scope: Scope, filter: Filter) -> Any:
        return self.breaks()

    async def breaks(self) -> AsyncIterator[Sequence[Entry]]:
        yield []
        yield []
        raise KeyError("a bug")


def faulty(**settings: Any) -> Stage:
    """A stage whose directory breaks at every question."""
    return stage(directory=Faulty([("stage", read_ldif(LDIF, "stage"))], netbios="CONTOSO"), **settings)
