"""Whose something is: what an account is called, and whether it is meant by one of these names."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.names import folded
from ldapserver.wire.dn import DN, InvalidDN

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """What comes of a coroutine of a directory in memory, which never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise RuntimeError("a directory in memory does not wait")


def key(name: str) -> str:
    """The name as it is compared."""
    return folded(name) or name.casefold()


def account_of(directory: MemoryDirectory, name: str) -> Account | None:
    """Whom a bind by this name means: as `Names` finds it, or by its DN."""
    if "=" in name:
        try:
            return drive(directory.account_at(DN.parse(name)))
        except InvalidDN:
            pass  # it may still be a name
    try:
        return drive(directory.find_account(name))
    except AmbiguousName:
        return None


def names_of(directory: MemoryDirectory, dn: DN, *names: str) -> frozenset[str]:
    """All that the account at `dn` is called now, and `names`, as `key` has them; the DN is not among them."""
    entry = drive(directory.read(dn))
    found = [name for name in names if name]
    if entry is not None:
        users = [_text(value) for each in ("sAMAccountName", "uid") for value in entry.get(each)]
        found += users
        found += [_text(value) for value in entry.get("userPrincipalName") or (() if users else entry.get("cn"))]
        found += [f"{directory.netbios}\\{user}" for user in users]
        found += [f"{user}@{directory.realm}" for user in users]
    return frozenset(map(key, found))


def said_of(who: str, names: frozenset[str], dn: str) -> bool:
    """Whether `who`, a name or a DN, is one of these names, or this DN."""
    return key(who) in names or ("=" in who and bool(dn) and same_dn(who, dn))


def same_dn(one: str, other: str) -> bool:
    """Whether two DNs name the same entry; what is no DN is compared as it stands, without case."""
    try:
        return DN.parse(one) == DN.parse(other)
    except InvalidDN:
        return one.casefold() == other.casefold()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
