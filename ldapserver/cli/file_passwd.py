"""`ldapserver passwd` on an LDIF file: one entry found as a server of the file would find it, and written anew."""

import fcntl
import os
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from typing import Any, TypeVar

from ldapserver.cli.password import made_up
from ldapserver.cli.password_change import CONSTRAINT_VIOLATION, NO_SUCH_OBJECT, Changed, NotChanged, PasswordChange
from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.account_reset import reset
from ldapserver.directory.authzid import AuthzId
from ldapserver.directory.entry import Entry
from ldapserver.directory.filetime import filetime_at
from ldapserver.directory.ldif import Attributes, EntryRecord, read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.renewal import Owner, renewed, stored_as
from ldapserver.directory.rewriting import rewritten
from ldapserver.directory.schema import Schema, core
from ldapserver.directory.schemes import InvalidPassword
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile
from ldapserver.wire.dn import DN

T = TypeVar("T")

# What an account is found by; the rest of an entry may be wrong without being in the way.
_NAMING = frozenset(("objectClass", "uid", "sAMAccountName", "userPrincipalName", "cn"))


def change_in_file(
    path: str,
    asked: PasswordChange,
    *,
    schemes: Sequence[str] = (),
    saslprep: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> Changed:
    """Do it; the password is kept in the forms `schemes` names, or without them in those it was kept in.

    Raises UsageFault, InvalidLDIF, NoPassword and NotChanged; the file is as it was then.
    """
    with _text_of(path) as text:
        record, owner = _found(text, path, asked)
    # Nobody else waits for the file while somebody thinks of a password.
    password = made_up() if asked.generate else asked.password(str(record.dn)) if asked.password else None
    with _text_of(path) as now:
        if now != text:
            record, owner = _found(now, path, asked)
        attributes = record.attributes
        if password is not None:
            try:
                attributes = _with_password(attributes, password, owner, schemes, saslprep)
            except InvalidPassword as error:
                hint = "" if schemes else "; --scheme says in which form to keep it instead"
                raise NotChanged(CONSTRAINT_VIOLATION, f"{record.dn}: {error}{hint}") from None
        changes = reset(
            Entry(record.dn, attributes), asked.reset, filetime_at(clock.ns()), new_password=asked.new_password
        )
        changed = rewritten(now, record, _merged(attributes, dict(changes)))
        _write(path, changed)
    return Changed(str(record.dn), asked, password if asked.generate else None)


@contextmanager
def _text_of(path: str) -> Iterator[str]:
    """What is in the file, which nobody else who does as we do changes meanwhile."""
    try:
        while True:
            file = open(path, "r+b")  # noqa: SIM115  # closed below, and in the with block
            fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever had it before may have put another file in its place.
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                break
            file.close()
    except OSError as error:
        raise UsageFault(f"argument TARGET: {path}: {error.strerror}") from None
    with file:
        yield file.read().decode("utf-8", "surrogateescape")


def _write(path: str, text: str) -> None:
    try:
        with WholeFile(path, like=os.stat(path)) as file:
            file.write(text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageFault(f"argument TARGET: {path}: {error.strerror}; it is as it was") from None


# Who it is


def _found(text: str, path: str, asked: PasswordChange) -> tuple[EntryRecord, Owner]:
    """The one record of the account, and the names that its digests are made with."""
    directory = MemoryDirectory(
        [(path, _names_only(text, path, core()))],
        netbios=asked.netbios,
        realm=asked.realm,
        report=lambda _: None,  # of entries whose superiors are in another file, say: it is about one account here
    )
    account = _account(directory, asked.user or "")
    records = [each for each in _entries(text, path) if each.dn.key == account.dn.key]
    if len(records) != 1:
        lines = " and ".join(str(each.line) for each in records)
        raise NotChanged(CONSTRAINT_VIOLATION, f"{path}: {account.dn} stands there twice, at the lines {lines}")
    stored = _answer(directory.stored_passwords(account.dn))
    assert stored is not None
    return records[0], stored[0]


def _entries(text: str, path: str) -> Iterator[EntryRecord]:
    for record in read_ldif(StringIO(text, newline="\n"), path):
        if not isinstance(record, EntryRecord):
            # What an entry is in the end depends on what other files hold.
            raise UsageFault(f"{path}:{record.line}: changes (changetype) are no entries: no password is kept here")
        yield record


def _names_only(text: str, path: str, schema: Schema) -> Iterator[EntryRecord]:
    """The entries with what accounts are found by, and a password where there is one."""
    kinds: dict[str, str] = {}
    for record in _entries(text, path):
        attributes = []
        for description, values in record.attributes:
            kind = kinds.get(description)
            if kind is None:
                kind = kinds[description] = _kind(description, schema)
            if kind == "naming":
                attributes.append((description, values))
            elif kind == "secret" and ("userPassword", (b"-",)) not in attributes:
                attributes.append(("userPassword", (b"-",)))
        yield replace(record, attributes=tuple(attributes))


def _kind(description: str, schema: Schema) -> str:
    if schema.is_secret(description):
        return "secret"
    attribute_type = schema.attribute_type(description)
    return "naming" if attribute_type is not None and not _NAMING.isdisjoint(attribute_type.names) else "other"


def _account(directory: MemoryDirectory, user: str) -> Account:
    meant = AuthzId.meant(user)
    try:
        if meant.dn is not None:
            account = _answer(directory.account_at(meant.dn))
        else:
            account = _answer(directory.find_account(meant.name))
    except AmbiguousName as error:
        raise NotChanged(CONSTRAINT_VIOLATION, f"{error}: {_and(error.dns)}; name one of them by its DN") from None
    if account is None:
        raise NotChanged(NO_SUCH_OBJECT, f"{user}: no account answers to this name")
    return account


def _answer(asked: Coroutine[Any, Any, T]) -> T:
    """What a directory in memory says, which says it at once."""
    try:
        asked.send(None)
    except StopIteration as stop:
        answer: T = stop.value
        return answer
    raise RuntimeError("the directory has to wait for something")


def _and(dns: Sequence[DN]) -> str:
    return " and ".join(map(str, dns))


# What it becomes


def _with_password(
    attributes: Attributes, password: str, owner: Owner, schemes: Sequence[str], saslprep: bool
) -> Attributes:
    octets, schema = password.encode(), core()
    kept = tuple([each for each in attributes if schema.is_secret(each[0])])
    if schemes:
        secrets = stored_as(schemes, kept, octets, owner, saslprep=saslprep)
    else:
        secrets = renewed(kept, octets, owner, saslprep=saslprep)
    return (*[each for each in attributes if not schema.is_secret(each[0])], *secrets)


def _merged(attributes: Attributes, changes: dict[str, tuple[bytes, ...]]) -> Attributes:
    """The attributes with these in the place of those of the same name; one without values goes."""
    wanted = {name.lower(): values for name, values in changes.items()}
    kept = [(name, wanted.get(name.lower(), values)) for name, values in attributes]
    there = {name.lower() for name, _ in attributes}
    added = [(name, values) for name, values in changes.items() if name.lower() not in there]
    return tuple([each for each in (*kept, *added) if each[1]])
