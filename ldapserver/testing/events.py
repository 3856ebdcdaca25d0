"""The Windows events of a server under test (4776 and those beside it), and its records that are none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import overload

from ldapserver.audit.message import event_data, message, sentence
from ldapserver.audit.record import BindRecord, EventRecord
from ldapserver.audit.status import BindReason, Status
from ldapserver.printable import printable
from ldapserver.testing.binds import instant
from ldapserver.testing.names import said_of
from ldapserver.testing.requests import listing


@dataclass(frozen=True)
class Ldap:
    """What an audit record has under `ldap`: of an event beside 4776, that of the bind it belongs to."""

    connection: int
    message_id: int | None
    mechanism: str | None = None
    realm: str | None = None
    authzid: str | None = None
    qop: str | None = None
    cipher: str | None = None
    digest_uri: str | None = None
    result_code: int | None = None
    tls: bool | None = None
    reason: str | None = None
    detail: str | None = None
    reading: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Event:
    """One Windows event. `status` is its Status, an NTSTATUS, 0 where the event has none or says success.

    `sub_status` is that of a 4625, else 0. `name` is what Windows calls its task, `record_id` its number in this
    server's log, `data` its EventData by name, and `text` what the Event Viewer shows. `user` is whom it is about.
    `reason` says in our words why a bind failed, None where none has.
    """

    event_id: int
    record_id: int
    name: str
    time: datetime
    outcome: str
    status: int
    sub_status: int
    user: str
    names: frozenset[str]
    dn: str
    data: Mapping[str, str] = field(hash=False)
    text: str
    source_ip: str | None
    source_port: int | None
    ldap: Ldap

    @property
    def reason(self) -> str | None:
        """Why the bind failed that it belongs to."""
        return self.ldap.reason

    def __str__(self) -> str:
        return printable(f"{self.event_id} {self.name}, {self.user}: {self.outcome}{_status(self)}")

    def __repr__(self) -> str:
        where = f"#{self.ldap.connection}" + ("" if self.ldap.message_id is None else f" [{self.ldap.message_id}]")
        return f"<{where} {self}>"


def _status(event: Event) -> str:
    status = event.sub_status or event.status
    if not status:
        return ""
    words = f" {Status(status).words}" if status in set(Status) else ""
    return f" ({status:#x}{words})"


@dataclass(frozen=True, kw_only=True, repr=False)
class Exchange:
    """A bind, or a step of one, that reached no verdict about a password: a record, and no Windows event.

    `reason` is None for a bind that succeeded without a password (EXTERNAL). `text` says it in a sentence.
    """

    time: datetime
    user: str
    reason: str | None
    text: str
    source_ip: str | None
    source_port: int | None
    ldap: Ldap

    def __str__(self) -> str:
        return printable(f"sasl-exchange, {self.user or 'nobody'}: {self.reason or 'success'}")

    def __repr__(self) -> str:
        return f"<#{self.ldap.connection} [{self.ldap.message_id}] {self}>"


@dataclass(frozen=True, repr=False)
class Events(Sequence[Event]):
    """Events in the order of their numbers; `forgotten` is how many older ones are not kept any more."""

    items: tuple[Event, ...] = ()
    forgotten: int = 0

    @property
    def last(self) -> Event:
        """The newest. Raises LookupError where there is none."""
        if not self.items:
            raise LookupError("there was no such event")
        return self.items[-1]

    def of(self, event_id: int) -> "Events":
        """Those with this id."""
        return self.where(lambda event: event.event_id == event_id)

    def by(self, who: str) -> "Events":
        """Those about `who`: any name of the account, or its DN."""
        return self.where(lambda event: said_of(who, event.names, event.dn))

    def where(self, test: Callable[[Event], bool]) -> "Events":
        """Those of which `test` is true."""
        return Events(tuple(filter(test, self.items)), self.forgotten)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> "Events": ...

    def __getitem__(self, index: int | slice) -> "Event | Events":
        return Events(self.items[index], self.forgotten) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return listing("event", self.items, self.forgotten)


def ldap_of(record: BindRecord) -> Ldap:
    """What is ours in the record of a bind."""
    return Ldap(
        connection=record.connection,
        message_id=record.message_id,
        mechanism=record.mechanism,
        realm=record.realm,
        authzid=record.authzid,
        qop=record.qop,
        cipher=record.cipher,
        digest_uri=record.digest_uri,
        result_code=record.result_code,
        tls=record.tls,
        reason=None if record.reason is BindReason.SUCCESS else record.reason.value,
        detail=record.detail,
        reading=record.reading,
    )


def exchange_of(record: BindRecord) -> Exchange:
    """The record of a bind without a verdict."""
    ldap = ldap_of(record)
    return Exchange(
        time=instant(record.time_ns),
        user=record.account,
        reason=ldap.reason,
        text=sentence(record),
        source_ip=record.source_ip,
        source_port=record.source_port,
        ldap=ldap,
    )


def user_of(record: BindRecord | EventRecord) -> str:
    """Whom it is about."""
    if isinstance(record, BindRecord):
        return record.account
    data = dict(zip(record.kind.names, record.data, strict=True))
    return data.get("TargetUserName") or data["SubjectUserName"]


def event_of(
    record: BindRecord | EventRecord, record_id: int, ldap: Ldap | None, dn: str, names: frozenset[str]
) -> Event:
    """The Windows event that a record is; `ldap` is that of the bind which it belongs to."""
    kind, values = event_data(record)
    data = dict(zip(kind.names, values, strict=True))
    status, sub_status = _number(data.get("Status")), _number(data.get("SubStatus"))
    success = status == 0 if kind.success is None else kind.success
    return Event(
        event_id=kind.event_id,
        record_id=record_id,
        name=kind.task_name,
        time=instant(record.time_ns),
        outcome="success" if success else "failure",
        status=status,
        sub_status=sub_status,
        user=user_of(record),
        names=names,
        dn=dn,
        data=data,
        text=message(record),
        source_ip=record.source_ip,
        source_port=record.source_port,
        ldap=ldap or Ldap(record.connection, record.message_id),
    )


def _number(text: str | None) -> int:
    return int(text, 16) if text else 0
