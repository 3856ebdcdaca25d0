"""Entries as JSON, one object a line: {"dn": "...", "attributes": {"cn": ["..."], "photo": [{"base64": "..."}]}}."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from ldapserver.directory.ldif import Attributes


def json_lines(entries: Iterable[tuple[Any, Attributes]]) -> Iterator[bytes]:
    """A line for each entry; what names one is a DN, or a server's text. Values that are not UTF-8 are in base64."""
    for name, attributes in entries:
        shown = {description: [_value(value) for value in values] for description, values in attributes}
        yield json.dumps({"dn": str(name), "attributes": shown}).encode() + b"\n"


def _value(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}
