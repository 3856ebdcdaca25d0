"""`ldp bind --explain`: ask the server why the bind on this connection failed, which ours tells with `--explain`."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

NOT_TOLD = "Not explained: the server does not say why. Ours does when it is started with --explain."


def ask(connection: "DigestConnection") -> list[str]:
    """What the server says of the last bind, line by line, the reason first. Raises what ldap3 raises."""
    from ldapserver.explaining import EXPLAIN

    before: dict[str, Any] = connection.result
    try:
        connection.extended(EXPLAIN)
        result: dict[str, Any] = connection.result
    finally:
        connection.result = before
    if result.get("result") != 0 or not result.get("responseValue"):
        return [NOT_TOLD]
    try:
        told = json.loads(result["responseValue"])
        return [str(told["headline"]), *map(str, told["lines"])]
    except (ValueError, KeyError, TypeError):
        return [NOT_TOLD]
