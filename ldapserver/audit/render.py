"""The forms that a record is written in, JSON lines and Windows' XML, and the lines a sink is given."""

from collections.abc import Sequence
from typing import Protocol

from ldapserver.audit.json_form import JSONRenderer
from ldapserver.audit.record import Record
from ldapserver.audit.xml_form import XMLRenderer

__all__ = ["JSONRenderer", "Renderer", "XMLRenderer", "lines_of"]


class Renderer(Protocol):
    """A form that records are written in, one line each."""

    def line(self, record: Record, record_id: int) -> str | None:
        """The record as a line with its end, None where this form has no place for it.

        `record_id` goes into a Windows event and nowhere else.
        """
        ...


def lines_of(renderer: Renderer, records: Sequence[Record], last: int) -> tuple[bytes, int]:
    """The records as octets, and the record id of the last Windows event by then; `last` is that of now.

    What a form has no place for gets neither a line nor an id.
    """
    lines = []
    for record in records:
        line = renderer.line(record, last + 1)
        if line is not None:
            lines.append(line)
            if record.kind is not None:
                last += 1
    return "".join(lines).encode(), last
