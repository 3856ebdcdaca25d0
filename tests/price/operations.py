"""What is counted: a session without a socket, and the four messages that a server has to answer cheaply.

All is as on a server that has run for a while: each user has bound before, the index is made, the record goes into a
file. Time and chance are given, so that two runs do the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

from benchmarks.wire import Wire
from ldapserver import AuditLog, Config, FileSink, JSONRenderer, MemoryDirectory, Service
from ldapserver.clock import StoppedClock
from ldapserver.directory.ldif import read_ldif
from ldapserver.service import Peer
from ldapserver.session import Session
from ldapserver.wire import codec
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import (
    BindRequest,
    BindResponse,
    DerefAliases,
    LDAPMessage,
    SaslAuthentication,
    Scope,
    SearchRequest,
    SimpleAuthentication,
)
from sasl_digest import DigestClient, NonceBook, Password, Response

T = TypeVar("T")

USERS = 1000
COUNTED = range(101, 109)  # users, of whose operations the mean counts
BEFORE = 3  # times that each of them has done the same before
DIGEST_FIRST, DIGEST_SECOND = "digest bind, first message", "digest bind, second message"
SIMPLE, SEARCH = "simple bind", "search by uid"

LDIF = "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n" + "\n".join(
    f"dn: uid=user{n},dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: user{n}\ncn: User {n}\nsn: Number{n}\n"
    f"mail: user{n}@example.org\nuserPassword: pass{n}\n"
    for n in range(USERS)
)


class Conversation:
    """One client's, with a session; `turn(octets)` has it answered, and is what is counted."""

    def __init__(self, service: Service, clock: StoppedClock) -> None:
        self.wire = Wire()
        self._clock = clock
        self.turn = Session(service, Peer(1, "127.0.0.1", 40000), self.wire).data_received
        self._ids = count(1)

    def of(self, name: str, user: int) -> bytes:
        """The message of this operation and user; what has to come before it is done."""
        self._clock.advance(seconds=0.0001)
        if name == SIMPLE:
            dn = f"uid=user{user},dc=example,dc=org"
            return self._message(BindRequest(3, dn, SimpleAuthentication(b"pass%d" % user)))
        if name == SEARCH:
            return self._message(
                SearchRequest(
                    "dc=example,dc=org", Scope.WHOLE_SUBTREE, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False,
                    parse_filter(f"(uid=user{user})"), (),
                )
            )  # fmt: skip
        empty = self._message(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))
        self.turn(self.of(SIMPLE, user))  # which ends the exchange that a last one may have begun
        if name == DIGEST_FIRST:
            return empty
        self.turn(empty)
        challenge = codec.decode(self.wire.written).operation
        assert isinstance(challenge, BindResponse)
        client = DigestClient(
            f"user{user}", Password(f"pass{user}"), service="ldap", host="localhost", cnonce=lambda: b"OA6MHXh6VqTrRk"
        )
        answer = client.step(challenge.server_sasl_creds or b"")
        assert isinstance(answer, Response)
        return self._message(BindRequest(3, "", SaslAuthentication("DIGEST-MD5", answer.data)))

    def _message(self, operation: BindRequest | SearchRequest) -> bytes:
        return codec.encode(LDAPMessage(next(self._ids) % 100 + 1, operation))


# What the answer to each must hold: resultCode success, or saslBindInProgress, of the right response.
ANSWERS = {DIGEST_FIRST: b"\x0a\x01\x0e", DIGEST_SECOND: b"rspauth=", SIMPLE: b"\x61\x07\x0a\x01\x00",
           SEARCH: b"\x65\x07\x0a\x01\x00"}  # fmt: skip


@contextmanager
def conversation(folder: Path, *, logs: int = 1) -> Iterator[Conversation]:
    """A client of a server with so many users and logs in `folder`."""
    clock = StoppedClock(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    chance = count(1)
    nonces = NonceBook(key=bytes(32), clock=clock.seconds, token=lambda size: next(chance).to_bytes(size, "big"))
    directory = MemoryDirectory([("users", read_ldif(LDIF, "users"))], clock=clock)
    sinks = [FileSink(str(folder / f"audit{n}.jsonl"), JSONRenderer("ldap1.example.org")) for n in range(logs)]
    config = Config(realm="example.org", netbios="EXAMPLE", anonymous_search=True)
    service = Service.assemble(config, directory, AuditLog(sinks, report=print), nonces)
    try:
        yield Conversation(service, clock)
    finally:
        for sink in sinks:
            sink.close()
