"""The Windows events beside 4776: what a bind led to, as values (4624, 4625, 4672, 4740), and the end of it (4634).

What each field holds is documented in `docs/audit.md`, "Events beside 4776". Nothing here is written: a bind's events
go with its own record, in one piece; the 4740 of a wrong old password goes by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ldapserver.access import Identity
from ldapserver.audit.kinds import LOCKED_OUT, LOGOFF, LOGON, LOGON_FAILED, SPECIAL_LOGON, Kind
from ldapserver.audit.record import MAX_NAME, MSV1_0, WDIGEST, BindRecord, EventRecord, Record
from ldapserver.audit.status import LOGON_FAILURES
from ldapserver.config import Config, netbios_name
from ldapserver.directory.account import Account
from ldapserver.directory.answers import Answer, Answers
from ldapserver.directory.directory import Directory
from ldapserver.directory.privileges import ADMINISTRATOR
from ldapserver.sasl.mechanism import Connection

if TYPE_CHECKING:
    from ldapserver.service import Peer

# Below are those that Windows gives itself, for every machine the same: 0x3e4, 0x3e5 and 0x3e7.
FIRST_LOGON_ID = 0x10000

SCHANNEL = "Microsoft Unified Security Protocol Provider"  # the package of a bind by certificate, as Windows names it
NULL_SID = "S-1-0-0"
_ABSENT = "-"
_NETWORK = "3"  # the logon type of every bind
_NULL_SUBJECT = (NULL_SID, _ABSENT, _ABSENT, "0x0")
_NULL_GUID = "{00000000-0000-0000-0000-000000000000}"
_NO_PROCESS = ("0x0", _ABSENT)
_NTLM = (_ABSENT, _ABSENT, "0")  # TransmittedServices, LmPackageName, KeyLength
_IMPERSONATION, _YES, _NO = "%%1833", "%%1842", "%%1843"
_SYSTEM, _SYSTEM_LOGON_ID = "S-1-5-18", "0x3e7"
# LogonProcessName; eight characters long, where Windows has them so.
_PROCESSES = {WDIGEST: "WDIGEST", MSV1_0: "Advapi  ", SCHANNEL: "Schannel"}
_BETWEEN_PRIVILEGES = "\n\t\t\t"


def logon_ids(microseconds: int) -> Iterator[int]:
    """The LUIDs of the logons of a run that began so many microseconds after 1970: no later run gives any of them.

    For none has a logon a microsecond. So in a log that several runs have written no end is paired with the logon of
    another run.
    """
    logon_id = max(FIRST_LOGON_ID, microseconds)
    while True:
        yield logon_id
        logon_id += 1


@dataclass(frozen=True, slots=True)
class Logon:
    """A logon that event 4624 told of, for as long as it lasts. `logon_id` is as events have it."""

    connection: int
    source_ip: str | None
    source_port: int | None
    sid: str
    name: str
    domain: str
    logon_id: str

    def ended(self, time_ns: int) -> EventRecord:
        """Event 4634: it was over at `time_ns`, nanoseconds since the epoch."""
        data = (self.sid, self.name, self.domain, self.logon_id, _NETWORK)
        return EventRecord(time_ns, LOGOFF, data, self.connection, None, self.source_ip, self.source_port)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written behind the record of one bind, and the logon that then lasts."""

    records: tuple[EventRecord, ...] = ()
    logon: Logon | None = None


NOTHING: Final = Beside()


class Logons:
    """Makes the events of one server; `ids` gives the logon ids, each of them once."""

    def __init__(self, config: Config, directory: Directory, ids: Iterator[int]) -> None:
        self._events = config.logon_events
        self._directory = directory
        self._answers = Answers(directory)
        self._domain = config.netbios
        self._system = (_SYSTEM, f"{netbios_name(config.computer)}$", config.netbios, _SYSTEM_LOGON_ID)
        self._ids = ids

    def beside(
        self, record: Record, identity: Identity, connection: Connection, locked: Account | None
    ) -> Answer[Beside]:
        """The events of the bind that `record` is of, over `connection`.

        `identity` is who its connection becomes, anonymous where it has failed; `locked` is the account that it has
        just locked.
        """
        assert isinstance(record, BindRecord)
        if identity.anonymous:
            return self._failed(record, locked) if locked is not None or self._events else NOTHING
        privileges = ADMINISTRATOR if identity.admin else self._answers.privileges(identity.dn)
        if isinstance(privileges, tuple) and not (self._events or privileges):
            return NOTHING
        return self._succeeded(record, identity, connection, privileges)

    async def lockout(self, account: Account, peer: "Peer", message_id: int, workstation: str) -> EventRecord:
        """Event 4740 of an operation that is no bind, whose wrong old password has just locked the account."""
        data = await self._lockout(account, workstation)
        time_ns = self._directory.clock.ns()
        return EventRecord(time_ns, LOCKED_OUT, data, peer.connection, message_id, peer.ip, peer.port)

    async def _lockout(self, account: Account, workstation: str) -> tuple[str, ...]:
        sid = await self._directory.sid(account.dn) or NULL_SID
        return (account.name[:MAX_NAME], workstation or _ABSENT, sid, *self._system)

    async def _succeeded(
        self,
        record: BindRecord,
        identity: Identity,
        connection: Connection,
        had: Answer[tuple[str, ...]],
    ) -> Beside:
        privileges = had if isinstance(had, tuple) else await had
        if not (self._events or privileges):
            return NOTHING
        sid = await self._directory.sid(identity.dn) or NULL_SID
        logon = Logon(
            record.connection,
            record.source_ip,
            record.source_port,
            sid,
            identity.name[:MAX_NAME],
            self._domain,
            f"0x{next(self._ids):x}",
        )
        whose = (sid, logon.name, self._domain, logon.logon_id)
        records = []
        if self._events:
            package = record.package or (_ABSENT if connection.client_certificate is None else SCHANNEL)
            data = (
                *_NULL_SUBJECT,
                *whose,
                _NETWORK,
                _PROCESSES.get(package, _ABSENT),
                package,
                _workstation(record),
                _NULL_GUID,
                *_NTLM,
                *_NO_PROCESS,
                *_address(record),
                *(_IMPERSONATION, _ABSENT, _ABSENT, _ABSENT),
                *(_NO, "0x0", _YES if privileges else _NO),
            )
            records.append(_event(record, LOGON, data))
        if privileges:
            records.append(_event(record, SPECIAL_LOGON, (*whose, _BETWEEN_PRIVILEGES.join(privileges))))
        return Beside(tuple(records), logon if self._events else None)

    async def _failed(self, record: BindRecord, locked: Account | None) -> Beside:
        records: list[EventRecord] = []
        if locked is not None:
            records.append(_event(record, LOCKED_OUT, await self._lockout(locked, record.workstation)))
        if self._events and record.status is not None:
            failure = LOGON_FAILURES[record.status]
            name, domain = _as_sent(record)
            data = (
                *_NULL_SUBJECT,
                *(NULL_SID, name, domain),
                *(f"0x{failure.status:x}", failure.failure_reason, f"0x{failure.sub_status:x}"),
                *(_NETWORK, _PROCESSES.get(record.package, _ABSENT), record.package, _workstation(record)),
                *_NTLM,
                *_NO_PROCESS,
                *_address(record),
            )
            records.append(_event(record, LOGON_FAILED, data))
        return Beside(tuple(records))


def _event(record: BindRecord, kind: Kind, data: tuple[str, ...]) -> EventRecord:
    return EventRecord(
        record.time_ns, kind, data, record.connection, record.message_id, record.source_ip, record.source_port
    )


def _address(record: BindRecord) -> tuple[str, str]:
    if record.source_ip is None:
        return _ABSENT, _ABSENT
    return record.source_ip, str(record.source_port)


def _workstation(record: BindRecord) -> str:
    """Who checks a password by LogonUser says from where; a digest comes over the network without such a name."""
    return record.workstation or _ABSENT if record.package == MSV1_0 else _ABSENT


def _as_sent(record: BindRecord) -> tuple[str, str]:
    """TargetUserName and TargetDomainName of who could not log on: what the client said, each where it did."""
    domain, backslash, name = record.account.partition("\\")
    if backslash and "=" not in domain:  # which a DN has, whatever it escapes
        return name.removeprefix("\\") or _ABSENT, domain or _ABSENT  # some clients double it, as `Names` knows
    return record.account or _ABSENT, (record.realm or "")[:MAX_NAME] or _ABSENT
