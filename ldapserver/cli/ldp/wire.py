"""What goes over the wire while `ldp` works: -v and -vv."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection


def watch(connection: "DigestConnection", level: int, say: Callable[[str], None]) -> None:
    """Show every message of `connection` from here on: at level 1 what digests say, at 2 all of them as trees."""
    raise NotImplementedError(connection, level, say)
