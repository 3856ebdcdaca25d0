"""As whom `ldp load` binds: a list on the command line, a file, or a pattern of names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ldapserver.usage import UsageFault, is_utf8

_RANGE = re.compile(r"\{(?P<first>[0-9]{1,9})\.\.(?P<last>[0-9]{1,9})\}")


@dataclass(frozen=True, slots=True)
class User:
    """A name and its password."""

    name: str
    password: str = field(repr=False)


class Users:
    """Users one after the other, and from the first again."""

    def __init__(self, users: Sequence[User]) -> None:
        self._users = users

    def __len__(self) -> int:
        return len(self._users)

    def at(self, number: int) -> User:
        """The one whose turn it is, counted from 0."""
        return self._users[number % len(self._users)]

    def has_empty_password(self) -> bool:
        """Whether somebody's is empty."""
        return any(not user.password for user in self._users)


def listed(text: str, password: str | None) -> Users:
    """`u1:password,u2:password`; a name without a colon has the common `password`. Raises UsageFault."""
    return _users("argument --users", text.split(","), password)


def of_file(path: str, password: str | None) -> Users:
    """A file of lines `name:password`; empty lines and those that begin with # are none. Raises UsageFault."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = [line.rstrip("\r\n") for line in file]
    except OSError as error:
        raise UsageFault(f"argument --users-file: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageFault(f"argument --users-file: {path}: is not UTF-8") from None
    return _users(f"argument --users-file: {path}", [line for line in lines if line and line[0] != "#"], password)


def matching(pattern: str, password: str) -> Users:
    """`u{0..999}`: a name for each number; `{000..999}` fills them with zeros. Raises UsageFault."""
    found = _RANGE.search(pattern)
    if found is None:
        raise UsageFault(f"argument --user-pattern: {pattern}: has no range, like u{{0..999}}")
    first, last = int(found["first"]), int(found["last"])
    if last < first or last - first >= 1_000_000:
        raise UsageFault(f"argument --user-pattern: {pattern}: the range must be of 1 to 1,000,000 numbers")
    width = len(found["first"]) if found["first"].startswith("0") and len(found["first"]) > 1 else 0
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return Users([User(f"{head}{number:0{width}}{tail}", password) for number in range(first, last + 1)])


def in_dn(name: str) -> str:
    """`name` as a value in a DN: what has a meaning there in hexadecimal (RFC 4514 section 2.4)."""
    return re.sub(r'[\x00"#+,;<=>\\]|^ | $', _as_hex, name)


def in_filter(name: str) -> str:
    """`name` as a value in a filter (RFC 4515 section 3, valueencoding)."""
    return re.sub(r"[\x00()*\\]", _as_hex, name)


def _as_hex(found: re.Match[str]) -> str:
    return f"\\{ord(found[0]):02x}"


def needs_password(pairs: str) -> bool:
    """Whether one of `u1:password,u2` has none of its own."""
    return any(":" not in pair for pair in pairs.split(","))


def _users(where: str, pairs: Sequence[str], password: str | None) -> Users:
    users = []
    for number, pair in enumerate(pairs, 1):
        name, colon, own = pair.partition(":")
        # The text of a fault must not have the password in it.
        if not name:
            raise UsageFault(f"{where}: number {number} has no name")
        if not colon and password is None:
            raise UsageFault(f"{where}: number {number} has no password: name:password is due")
        if not is_utf8(pair):
            raise UsageFault(f"{where}: number {number} is not UTF-8")
        users.append(User(name, own if colon else password or ""))
    if not users:
        raise UsageFault(f"{where}: names nobody")
    return Users(users)
