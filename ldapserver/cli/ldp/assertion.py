"""An attribute and a value on the command line: NAME=VALUE, or NAME::BASE64."""

import re
from base64 import b64decode

from ldapserver.usage import UsageFault
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION

_PARTS = re.compile(r"([^=:]+)(=|::)(.*)", re.DOTALL)


def named_value(option: str, text: str) -> tuple[str, bytes]:
    """The attribute description and the octets. Raises UsageFault, which shows no value: it may be a password."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise UsageFault(f"{option}: not of the form NAME=VALUE, or NAME::BASE64")
    name, sign, value = parts.groups()
    if not ATTRIBUTE_DESCRIPTION.fullmatch(name):
        raise UsageFault(f"{option}: {name!r} is no attribute")
    if sign == "=":
        return name, value.encode("utf-8", "surrogateescape")
    try:
        return name, b64decode(value, validate=True)
    except ValueError:
        raise UsageFault(f"{option}: {name}: not base64") from None
