"""Who is meant by a name, a DN, or what `add_user` and `add_group` gave."""

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ldapserver.directory.account import AmbiguousName
from ldapserver.directory.entry import Entry
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.operational import NOBODY
from ldapserver.directory.transaction import Transaction
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, InvalidDN

T = TypeVar("T")

# The classes of groups, and which attribute says who is in one.
GROUPS = {
    b"groupofnames": "member",
    b"group": "member",
    b"groupofuniquenames": "uniqueMember",
}
STRENGTH = 256  # bits: who is inside the server needs no TLS


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a directory in memory answers, which never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("a directory in memory does not wait")


def writing(directory: MemoryDirectory) -> Transaction:
    """What the server itself writes: by nobody, with every right, whole or not at all."""
    return directory.writing(by=NOBODY, admin=True, strength=STRENGTH)


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """What the directory refuses, as a ValueError that says of `what`."""
    try:
        yield
    except OperationRefused as refused:
        code = refused.result_code.name
        # A domain controller's texts have several lines, and a NUL at their end.
        reason = " ".join(f"{refused}".rstrip("\0").split()) if f"{refused}" != code else f"refused with {code}"
        raise ValueError(f"{what}: {reason}") from None
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def is_active_directory(directory: MemoryDirectory) -> bool:
    """Whether this is a domain: no other profile has a dialect."""
    return directory.dialect is not None


def base_of(directory: MemoryDirectory) -> DN:
    """The naming context that people are added to when nothing else is said: the first."""
    return directory.naming_contexts[0]


def in_base(directory: MemoryDirectory, field: str, text: str) -> DN:
    """A whole DN, or the beginning of one below the first naming context. Raises ValueError."""
    dn = _parsed(field, text)
    if any(dn.within(context) for context in directory.naming_contexts):
        return dn
    return DN((*dn.rdns, *base_of(directory).rdns))


def _parsed(field: str, text: str) -> DN:
    try:
        return DN.parse(text)
    except InvalidDN as error:
        raise ValueError(f"{field}: {error}") from None


def found(directory: MemoryDirectory, write: Transaction, field: str, who: object) -> Entry:
    """The entry of a User or Group, a DN or a name of an account or group. Raises ValueError."""
    entry = sought(directory, write, field, who)
    if entry is None:
        raise ValueError(f"{field}: {shown(who)!r} is nobody: no entry has this DN, no account or group this name")
    return entry


def sought(directory: MemoryDirectory, write: Transaction, field: str, who: object) -> Entry | None:
    """The same, and None where there is none. Raises ValueError for a name of two."""
    text = shown(who)
    if isinstance(who, DN) or hasattr(who, "dn"):
        return write.entry(who if isinstance(who, DN) else _parsed(field, text))
    try:
        entry = write.entry(DN.parse(text)) if "=" in text else None
    except InvalidDN:
        entry = None
    if entry is not None:
        return entry
    entries = {each.dn.key: each for each in [*_account(directory, write, field, text), *groups(write, text)]}
    if len(entries) > 1:
        names = " and ".join(str(each.dn) for each in entries.values())
        raise ValueError(f"{field}: {text!r} may be {names}: say the DN")
    return next(iter(entries.values()), None)


def shown(who: object) -> str:
    """The text that somebody was named by. Raises ValueError where that is none."""
    text = getattr(who, "dn", None) if not isinstance(who, str | DN) else str(who)
    if not isinstance(text, str):
        raise ValueError(f"must be a name, a DN, a User or a Group, and not {type(who).__name__}")
    return text


def _account(directory: MemoryDirectory, write: Transaction, field: str, name: str) -> Iterator[Entry]:
    try:
        account = drive(directory.find_account(name))
    except AmbiguousName as error:
        raise ValueError(f"{field}: {error}: {' and '.join(map(str, error.dns))}: say the DN") from None
    entry = None if account is None else write.entry(account.dn)
    if entry is not None:
        yield entry


def groups(write: Transaction, name: str) -> Iterator[Entry]:
    """The groups that are called so, by cn or by sAMAccountName."""
    try:
        value = name.encode()
    except UnicodeEncodeError:
        return
    for attribute in ("cn", "sAMAccountName"):
        for entry in write.having(attribute, value):
            if member_attribute(entry) is not None:
                yield entry


def member_attribute(entry: Entry) -> str | None:
    """The attribute that lists who is in a group; None for what is none."""
    classes = {value.lower() for value in entry.get("objectClass")}
    return next((attribute for group, attribute in GROUPS.items() if group in classes), None)
