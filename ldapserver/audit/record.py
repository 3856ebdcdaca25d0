"""What happened, before anything is said about how it is written: a record a bind, and the events beside it."""

from dataclasses import dataclass
from typing import Final

from ldapserver.audit.kinds import CREDENTIAL_VALIDATION, Kind
from ldapserver.audit.status import BindReason, Status
from sasl_digest import Reason

MAX_NAME: Final = 2048  # characters of a name in a record: a message of a stranger's may hold 64 KiB of it
WDIGEST: Final = "WDigest"  # PackageName of a DIGEST-MD5 bind, as Windows names it
MSV1_0: Final = "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"  # ... of a simple bind


# One is made for each bind, and a frozen one takes three times as long. `__init__` is written out because mypyc does
# not compile the one that dataclass writes, which takes eight times as long to fill a compiled class.
@dataclass(init=False, slots=True)
class BindRecord:
    """What one bind came to; no field ever holds a secret, a hash, a nonce or a response.

    `time_ns` is nanoseconds since the epoch. `status` is None when no verdict about credentials was reached: such a
    record is no Windows event. `tls` is whether the bind came inside TLS. `account` is the name as the client sent
    it, or the account's for a simple bind by DN; `source_ip` is None where there is no address (a Unix socket).
    `reading` is how a DIGEST-MD5 client has hashed what is not ASCII. `detail` names the directive and the rule of a
    malformed message.
    """

    time_ns: int
    status: Status | None
    package: str
    account: str
    workstation: str
    source_ip: str | None
    source_port: int | None
    connection: int
    message_id: int
    mechanism: str
    realm: str | None
    authzid: str | None
    qop: str | None
    cipher: str | None
    digest_uri: str | None
    result_code: int | None
    reason: Reason | BindReason
    detail: str | None
    tls: bool
    reading: str | None = None

    def __init__(
        self,
        time_ns: int,
        status: Status | None,
        package: str,
        account: str,
        workstation: str,
        source_ip: str | None,
        source_port: int | None,
        connection: int,
        message_id: int,
        mechanism: str,
        realm: str | None,
        authzid: str | None,
        qop: str | None,
        cipher: str | None,
        digest_uri: str | None,
        result_code: int | None,
        reason: Reason | BindReason,
        detail: str | None,
        tls: bool,
        reading: str | None = None,
    ) -> None:
        self.time_ns = time_ns
        self.status = status
        self.package = package
        self.account = account
        self.workstation = workstation
        self.source_ip = source_ip
        self.source_port = source_port
        self.connection = connection
        self.message_id = message_id
        self.mechanism = mechanism
        self.realm = realm
        self.authzid = authzid
        self.qop = qop
        self.cipher = cipher
        self.digest_uri = digest_uri
        self.result_code = result_code
        self.reason = reason
        self.detail = detail
        self.tls = tls
        self.reading = reading

    @property
    def kind(self) -> Kind | None:
        """Event 4776 where there is a verdict about credentials, else no Windows event."""
        return None if self.status is None else CREDENTIAL_VALIDATION


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A Windows event beside 4776: what a bind led to.

    `time_ns` is nanoseconds since the epoch. `data` has the values of EventData in the order of `kind.names`, in the
    forms Windows writes them in. `connection` and `message_id` say which bind it belongs to, or which operation with
    a wrong old password; the end of a connection has no message.
    """

    time_ns: int
    kind: Kind
    data: tuple[str, ...]
    connection: int
    message_id: int | None
    source_ip: str | None
    source_port: int | None


Record = BindRecord | EventRecord
