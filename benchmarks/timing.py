"""Does the time tell an unknown user from a wrong password? The server's own time for each, no network between."""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from benchmarks.wire import Wire
from ldapserver import AuditLog, Config, MemoryDirectory, MemorySink, Service
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.policy import Policy
from ldapserver.directory.schema import load_schema
from ldapserver.service import Peer
from ldapserver.session import Session
from ldapserver.wire import codec
from ldapserver.wire.messages import BindRequest, BindResponse, LDAPMessage, SaslAuthentication
from sasl_digest import DigestClient, Password, Response

T = TypeVar("T")
TRIES = 2000


@dataclass(frozen=True)
class Medians:
    """Median microseconds of the server for the second message of a bind."""

    wrong_password: float
    unknown_user: float

    @property
    def apart(self) -> float:
        """How far apart they are, as a part of the larger."""
        return abs(self.wrong_password - self.unknown_user) / max(self.wrong_password, self.unknown_user)


def kinds() -> dict[str, dict[str, Any]]:
    """The directories to measure, by what is done about a wrong password."""
    never = Policy(lockout_threshold=1_000_000_000)
    domain = {"schema": load_schema([], active_directory=True).schema, "profile": ActiveDirectory()}
    return {
        "nothing": {},
        "it is counted": {"policy": never},
        "it is counted, and compared with old ones": {"policy": replace(never, spare_old_passwords=True)},
        "as in a domain": domain,
    }


def measure(tries: int = TRIES, **settings: Any) -> Medians:
    """Binds with a wrong password and as nobody, by turns, of a directory with these settings."""
    ldif = "dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n\n" + "\n".join(
        f"dn: uid=user{n},dc=example,dc=org\nobjectClass: account\nuid: user{n}\nuserPassword: pass{n}\n"
        for n in range(1000)
    )
    directory = MemoryDirectory([("users", read_ldif(ldif, "users"))], **settings)
    config = Config(realm="example.org", netbios="EXAMPLE")
    service = Service.assemble(config, directory, AuditLog([MemorySink()], report=print))
    times: dict[str, list[float]] = {"user": [], "none": []}
    for turn in range(tries * 2):
        kind = "user" if turn % 2 else "none"
        times[kind].append(_second_message(service, f"{kind}{turn % 1000}"))
    return Medians(statistics.median(times["user"]), statistics.median(times["none"]))


def _second_message(service: Service, username: str) -> float:
    wire = Wire()
    session = Session(service, Peer(1, "127.0.0.1", 1), wire)
    session.data_received(codec.encode(LDAPMessage(1, BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None)))))
    response = codec.decode(wire.written).operation
    assert isinstance(response, BindResponse)
    client = DigestClient(username, Password("not the password"), service="ldap", host="localhost")
    answer = client.step(response.server_sasl_creds or b"")
    assert isinstance(answer, Response)
    request = codec.encode(LDAPMessage(2, BindRequest(3, "", SaslAuthentication("DIGEST-MD5", answer.data))))
    start = time.perf_counter_ns()
    session.data_received(request)
    return (time.perf_counter_ns() - start) / 1000
