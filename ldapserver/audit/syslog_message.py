"""A record as a syslog message of RFC 5424, one that receivers take whole.

    HEADER SP STRUCTURED-DATA SP MSG

MSG is the JSON line without its end, in US-ASCII, what else there is as \\u escapes. The byte order mark that section
6.4 wants before UTF-8 would be in the way of whoever reads JSON: rsyslog and others hand it on as a part of the text.
"""

import os
import re
from dataclasses import replace

from ldapserver.audit.kinds import LOCKED_OUT
from ldapserver.audit.record import EventRecord, Record
from ldapserver.audit.render import Renderer
from ldapserver.audit.system import TimeText

# Octets of a message. Receivers should take 2,048 and more (RFC 5424 section 6.1) and 8,192 over TLS (RFC 5425
# section 4.3.1); rsyslog cuts what is longer than its 8 KiB, and half a line of JSON is of no use.
MAX_MESSAGE = 8192

MAX_SEQUENCE = 2_147_483_647  # then 1 again.  RFC 5424 section 7.3.1

_AUTHPRIV = 10 << 3  # "security/authorization messages".  RFC 5424 section 6.2.1
WARNING, NOTICE, INFORMATIONAL = 4, 5, 6

# To how many characters names are cut, one after another, until a message fits; the last always does.
_CUTS = (512, 128, 48)
_CUT_SHORT = "…"

_not_ascii = re.compile(r"[^\x00-\x7f]")
_not_printable = re.compile(r"[^!-~]")  # PRINTUSASCII is %d33-126


class SyslogRenderer:
    """Renders the messages of one server; `computer` is its full name. For one thread at a time."""

    def __init__(self, computer: str, renderer: Renderer) -> None:
        # "-" where there is none; 255 characters at most.  RFC 5424 section 6.2.4
        self._hostname = _not_printable.sub("?", computer)[:255] or "-"
        self._renderer = renderer
        self._procid = os.getpid()
        self._time = TimeText()

    def message(self, record: Record, record_id: int, sequence: int) -> bytes | None:
        """The message, of MAX_MESSAGE octets at most; None where the renderer has no place for the record.

        `sequence` counts all messages from 1, those that were dropped too: who receives them sees what is missing.
        """
        message = self._message(record, record_id, sequence)
        for most in _CUTS:
            if message is None or len(message) <= MAX_MESSAGE:
                break
            message = self._message(_shortened(record, most), record_id, sequence)
        return message

    def _message(self, record: Record, record_id: int, sequence: int) -> bytes | None:
        line = self._renderer.line(record, record_id)
        if line is None:
            return None
        # A TIMESTAMP has six digits of a second at most.  RFC 5424 section 6.2.3
        stamp = self._time.of(record.time_ns)[: len("2026-01-02T03:04:05.678901")]
        header = (
            f"<{_AUTHPRIV + _severity(record)}>1 {stamp}Z {self._hostname} ldapserver "
            f"{self._procid} {_message_id(record)} "
        )
        structured = f'[meta sequenceId="{(sequence - 1) % MAX_SEQUENCE + 1}"] '
        return (header + structured + _escaped(line.rstrip("\n"))).encode()


def _severity(record: Record) -> int:
    """Informational for what went well, notice for what did not end, warning for what was refused or locked."""
    if isinstance(record, EventRecord):
        return INFORMATIONAL if record.kind.success and record.kind is not LOCKED_OUT else WARNING
    if record.result_code is None:
        return NOTICE
    return WARNING if record.status or record.result_code else INFORMATIONAL


def _message_id(record: Record) -> str:
    return "sasl-exchange" if record.kind is None else str(record.kind.event_id)


def _escaped(line: str) -> str:
    if line.isascii():
        return line
    # Beyond ASCII a JSON text has string contents only, and these may be escaped.  RFC 8259 section 7
    return _not_ascii.sub(lambda found: _escape(ord(found[0])), line)


def _escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _shortened(record: Record, most: int) -> Record:
    """The record with its names of `most` characters at most: seen short, a stranger's bind is not unseen."""
    if isinstance(record, EventRecord):
        return replace(record, data=tuple(_cut(value, most) for value in record.data))
    return replace(
        record,
        account=_cut(record.account, most),
        workstation=_cut(record.workstation, most),
        mechanism=_cut(record.mechanism, most),
        realm=_cut_if_any(record.realm, most),
        authzid=_cut_if_any(record.authzid, most),
        digest_uri=_cut_if_any(record.digest_uri, most),
        detail=_cut_if_any(record.detail, most),
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + _CUT_SHORT


def _cut_if_any(text: str | None, most: int) -> str | None:
    return None if text is None else _cut(text, most)
