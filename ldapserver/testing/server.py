"""The server that a test holds: what it asks is done in the loop's thread, or in the server's own process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from types import MappingProxyType
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from ldapserver.directory.account_reset import AccountReset
from ldapserver.testing import building, data_files, domain, filling, orders, reading
from ldapserver.testing.finding import shown, told_of
from ldapserver.testing.orders import Group, User, Who
from ldapserver.testing.reading import Entry
from ldapserver.testing.served import Served
from ldapserver.testing.values import changes_of
from ldapserver.wire.messages import ModifyOperation

P = ParamSpec("P")
T = TypeVar("T")


class Ask(Protocol):
    """Calls a function with the server's parts, where they are."""

    def __call__(self, function: Callable[Concatenate[Served, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function(served, *args)` returns, or raises.

        A function of a module, arguments and a result that pickle: the server may be in another process.
        """
        ...


class Server:
    """A server that listens at `url`; any thread may use it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.url = ask(_url)
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        self.host, self.port = host.strip("[]"), int(port)
        self.base_dn = ask(_base_dn)

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    # Who is there

    def add_user(
        self,
        name: str,
        /,
        password: str | None = None,
        *,
        groups: Iterable[Who] = (),
        disabled: bool = False,
        must_change: bool = False,
        locked: bool = False,
        expired: bool | datetime = False,
        scheme: str | Sequence[str] | None = None,
        under: str | None = None,
        dn: str | None = None,
        **attributes: object,
    ) -> User:
        """Add who answers to `name`, and to `groups`; one that is a mere name and not there yet is made.

        `locked` is as if wrong passwords had just locked the account, `expired` since now or a moment. `scheme` is
        how the password is stored: `CLEARTEXT` (the default), `HA1`, `WDIGEST`, `SSHA`, `SSHA256`, `SSHA512`,
        `PBKDF2-SHA256`, or several. `under` is the container, made where it is not there; `dn` the whole name.
        Anything else is an attribute: `mail="alice@example.com"`, or a list.

        Raises ValueError, which names the field and the rule; then nothing is changed.
        """
        order = orders.user_order(
            name,
            password,
            groups=groups,
            disabled=disabled,
            must_change=must_change,
            locked=locked,
            expired=expired,
            scheme=scheme,
            under=under,
            dn=dn,
            **attributes,
        )
        return self._ask(building.add_user, order)

    def add_group(
        self,
        name: str,
        /,
        members: Iterable[Who] = (),
        *,
        groups: Iterable[Who] = (),
        under: str | None = None,
        dn: str | None = None,
        **attributes: object,
    ) -> Group:
        """Add a group of `members`, which are users or groups that are there; `groups` are those it is in itself.

        As `add_user` otherwise. Raises ValueError.
        """
        order = orders.group_order(name, members, groups=groups, under=under, dn=dn, **attributes)
        return self._ask(building.add_group, order)

    def add(self, data: Mapping[str, object]) -> None:
        """Add all of it or nothing: `{"users": {...}, "groups": {...}, "entries": {...}}`, as files say it.

        Raises ValueError.
        """
        self._ask(filling.put, data_files.of_mapping(data))

    def load(self, path: str | PathLike[str] | None = None, *, ldif: str | PathLike[str] | None = None) -> None:
        """Add what a file says, by its suffix .ldif, .json, .yaml or .yml; `ldif` is such a file, or its text.

        All of it or nothing. Raises ValueError, with the file and the line, and OSError.
        """
        self._ask(filling.put, data_files.read(path, ldif=ldif))

    def set_password(
        self,
        who: Who,
        password: str,
        *,
        scheme: str | Sequence[str] | None = None,
        must_change: bool = False,
        unlock: bool = False,
    ) -> None:
        """Let this be the password, stored as the old one is or by `scheme`. Raises ValueError."""
        checked, forms = orders.password_order(password, scheme)
        # One that is set anew need not be changed first, if it is not said to.
        self._ask(building.set_password, who, checked, forms, AccountReset(must_change, unlock))

    def modify(
        self,
        who: Who,
        *,
        add: Mapping[str, object] = MappingProxyType({}),
        delete: Mapping[str, object] = MappingProxyType({}),
        **replace: object,
    ) -> None:
        """Let attributes have these values: `mail="alice@example.com"`, a list, None for none at all.

        `add` and `delete` are about values. All or none; raises ValueError.
        """
        with told_of(f"modify {shown(who)!r}"):
            changes = (
                *changes_of(ModifyOperation.DELETE, delete),
                *changes_of(ModifyOperation.ADD, add),
                *changes_of(ModifyOperation.REPLACE, replace),
            )
        self._ask(reading.modify, who, changes)

    def remove(self, who: Who, *, subtree: bool = False) -> None:
        """Delete a user, a group or an entry, with `subtree` together with what is below it. Raises ValueError."""
        self._ask(reading.remove, who, subtree)

    def entry(self, who: Who) -> Entry:
        """The entry of a user, a group or a DN as it is now. Raises LookupError where there is none."""
        entry = self._ask(reading.entry, who)
        if entry is None:
            raise LookupError(f"{shown(who)!r}: no entry has this DN, no account or group this name")
        return entry

    @property
    def administrator(self) -> User:
        """The Administrator of a domain, who may write. Raises LookupError where there is none."""
        administrator = self._ask(domain.administrator)
        if administrator is None:
            raise LookupError("nobody here is Administrator: running_server(domain=...) has one")
        return administrator

    # What happened

    # What goes wrong

    # Time, policy, and back to what was


def _url(served: Served) -> str:
    return served.url


def _base_dn(served: Served) -> str:
    return str(served.directory.naming_contexts[0])
