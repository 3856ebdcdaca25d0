"""Audit logs to read: any number of records of a busy server, by our own renderer; events in winlogbeat's shape."""

import json
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from ldapserver.audit.kinds import KINDS
from ldapserver.audit.record import MSV1_0, BindRecord
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.status import ENDINGS, BindReason, Status
from ldapserver.wire.messages import ResultCode
from sasl_digest import Reason
from tests.server.windows_events import VALIDATED

COMPUTER = "dc1.contoso.com"
START_NS = 1_767_323_045_678_901_200  # 2026-01-02T03:04:05.6789012Z
SECOND = 1_000_000_000

BIND = replace(
    VALIDATED,
    time_ns=START_NS,
    status=Status.SUCCESS,
    connection=1,
    result_code=ResultCode.SUCCESS,
    reason=BindReason.SUCCESS,
)

# How binds end on a busy server: mostly well.
_REASONS: tuple[Reason | BindReason, ...] = (
    *[BindReason.SUCCESS] * 17,
    Reason.WRONG_PASSWORD,
    Reason.UNKNOWN_USER,
    Reason.NONCE_FOREIGN,
)


def binds(count: int, seed: int = 0, *, accounts: int = 2000, addresses: int = 250) -> Iterator[BindRecord]:
    """So many binds, the same for the same seed: of two mechanisms, names in three forms, three realms."""
    random = Random(seed)
    time_ns = START_NS
    for number in range(count):
        time_ns += random.randrange(SECOND)
        reason = random.choice(_REASONS)
        user = f"user{random.randrange(accounts)}"
        account = random.choice((user, user, f"CONTOSO\\{user}", f"{user}@contoso.com"))
        record = replace(
            BIND,
            time_ns=time_ns,
            status=ENDINGS[reason].status,
            account=account,
            source_ip=f"192.0.2.{random.randrange(addresses)}",
            source_port=random.randrange(1024, 65_536),
            connection=number,
            realm=random.choice(("CONTOSO", "contoso.com", "")),
            tls=random.random() < 0.3,
            result_code=ENDINGS[reason].result_code,
            reason=reason,
        )
        if reason is not Reason.NONCE_FOREIGN and random.random() < 0.3:
            record = replace(record, package=MSV1_0, mechanism="simple", realm=None, qop=None, digest_uri=None)
        yield record


def lines(records: Iterator[BindRecord] | list[BindRecord]) -> Iterator[bytes]:
    """A log of these records, line by line."""
    renderer = JSONRenderer(COMPUTER)
    record_id = 0
    for record in records:
        record_id += record.kind is not None
        yield renderer.line(record, record_id).encode()


def event(event_id: int, time: str, **data: str) -> dict[str, Any]:
    """An event beside 4776 in winlogbeat's shape, with values for some of its data and `-` for the others."""
    kind = KINDS[event_id]
    outcome = "failure" if kind.success is False else "success"
    return {
        "@timestamp": time,
        "event": {"code": str(event_id), "kind": "event", "module": "security", "outcome": outcome},
        "winlog": {
            "channel": "Security",
            "computer_name": COMPUTER,
            "event_data": {name: data.get(name, "-") for name in kind.names},
            "event_id": str(event_id),
            "process": {"pid": 100, "thread": {"id": 101}},
            "record_id": "7",
        },
    }


def event_line(event_id: int, time: str, **data: str) -> bytes:
    """The same as a line."""
    return json.dumps(event(event_id, time, **data)).encode() + b"\n"
