"""The forms that a record is written in: JSON lines, and Windows' XML."""

from typing import Protocol

from ldapserver.audit.json_form import JSONRenderer
from ldapserver.audit.record import Record
from ldapserver.audit.xml_form import XMLRenderer

__all__ = ["JSONRenderer", "Renderer", "XMLRenderer"]


class Renderer(Protocol):
    """A form that records are written in, one line each."""

    def line(self, record: Record, record_id: int) -> str | None:
        """The record as a line with its end, None where this form has no place for it.

        `record_id` goes into a Windows event and nowhere else.
        """
        ...
