"""Whole binds, as the audit records tell of them: who, how, and what came of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import overload

from ldapserver.audit.record import BindRecord
from ldapserver.audit.status import BindReason, Status
from ldapserver.printable import printable
from ldapserver.testing.names import said_of
from ldapserver.testing.requests import listing, result_name
from ldapserver.viewer.name_form import name_form

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(time_ns: int) -> datetime:
    """The date and time, to the microsecond, in UTC."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


@dataclass(frozen=True, kw_only=True, repr=False)
class Bind:
    """One bind, of however many steps; it is here once it has ended. Anonymous ones are none: they prove nothing.

    `name` is as the client sent it, and `form` what form that has in words: `account name`, `UPN (user@domain)`,
    `DOMAIN\\\\user`, `distinguished name`... `dn` is the account's, empty for nobody's. `mechanism` is `simple` or
    SASL's name; `realm`, `qop`, `cipher`, `digest_uri` and `authzid` are what the client said. `status` is that of
    event 4776, None where no verdict about a password was reached. `reason` says why it failed, None for one that
    has not; `detail` which rule a message broke. `result_code` is None where nothing was answered. `earlier` are the
    reasons for which the same exchange got another challenge before it ended (a stale nonce). `workstation` is what
    event 4776 names, `reading` how a client has hashed what is not ASCII.
    """

    name: str
    form: str
    dn: str
    names: frozenset[str]
    mechanism: str
    connection: int
    message_id: int
    time: datetime
    tls: bool
    result_code: int | None
    status: Status | None = None
    reason: str | None = None
    detail: str | None = None
    realm: str | None = None
    authzid: str | None = None
    qop: str | None = None
    cipher: str | None = None
    digest_uri: str | None = None
    workstation: str = ""
    reading: str | None = None
    earlier: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the connection was bound by it."""
        return self.reason is None

    @property
    def result(self) -> str | None:
        """The result code's name in RFC 4511; None where nothing was answered."""
        return None if self.result_code is None else result_name(self.result_code)

    def __str__(self) -> str:
        how = [self.mechanism or "no mechanism"]
        how += [f"{what} {value}" for what, value in (("qop", self.qop), ("cipher", self.cipher)) if value]
        how += [f"realm {self.realm}"] if self.realm else []
        how += ["inside TLS"] if self.tls else []
        verdict = "success" if self.reason is None else self.reason
        status = "" if not self.status else f" ({self.status.hexadecimal} {self.status.words})"
        earlier = f", after {' and '.join(self.earlier)}" if self.earlier else ""
        return printable(f"{self.name or 'nobody'} by {', '.join(how)}: {verdict}{status}{earlier}")

    def __repr__(self) -> str:
        return f"<#{self.connection} [{self.message_id}] {self}>"


@dataclass(frozen=True, repr=False)
class Binds:
    """Binds in the order they ended; `forgotten` is how many older ones are not kept any more."""

    items: tuple[Bind, ...] = ()
    forgotten: int = 0

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.items)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(not bind.succeeded for bind in self.items)

    @property
    def succeeded(self) -> int:
        """How many of them succeeded."""
        return sum(bind.succeeded for bind in self.items)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms that were used, each once, in the order of their first use."""
        return tuple(dict.fromkeys([bind.mechanism for bind in self.items]))

    @property
    def last(self) -> Bind:
        """The newest. Raises LookupError where there is none."""
        if not self.items:
            raise LookupError("there was no such bind")
        return self.items[-1]

    def by(self, who: str) -> "Binds":
        """Those as `who`: any name of the account, whichever the client used, or its DN."""
        return self.where(lambda bind: said_of(who, bind.names, bind.dn))

    def where(self, test: Callable[[Bind], bool]) -> "Binds":
        """Those of which `test` is true."""
        return Binds(tuple(filter(test, self.items)), self.forgotten)

    @overload
    def __getitem__(self, index: int) -> Bind: ...

    @overload
    def __getitem__(self, index: slice) -> "Binds": ...

    def __getitem__(self, index: int | slice) -> "Bind | Binds":
        return Binds(self.items[index], self.forgotten) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Bind]:
        return iter(self.items)

    def __repr__(self) -> str:
        return listing("bind", self.items, self.forgotten)


def bind_of(record: BindRecord, sent: str | None, dn: str, names: frozenset[str], earlier: tuple[str, ...]) -> Bind:
    """The bind that ended with this record; `sent` is the name of a simple bind, as it came."""
    name = record.account if sent is None else sent
    return Bind(
        name=name,
        form=name_form(name),
        dn=dn,
        names=names,
        mechanism=record.mechanism,
        connection=record.connection,
        message_id=record.message_id,
        time=instant(record.time_ns),
        tls=record.tls,
        result_code=record.result_code,
        status=record.status,
        reason=None if record.reason is BindReason.SUCCESS else record.reason.value,
        detail=record.detail,
        realm=record.realm,
        authzid=record.authzid,
        qop=record.qop,
        cipher=record.cipher,
        digest_uri=record.digest_uri,
        workstation=record.workstation,
        reading=record.reading,
        earlier=earlier,
    )
