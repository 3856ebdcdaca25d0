"""What a bind asks of a directory, answered at once where that can be, and else by a coroutine to wait for.

A directory whose class has `accounts_at_once` says with it what its methods say, without a coroutine. Who has made
one of those methods another is asked by that alone.
"""

from collections.abc import Coroutine
from typing import Any, TypeAlias, TypeVar

from ldapserver.directory.account import Account
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.accounts import Accounts
from ldapserver.directory.directory import Directory
from ldapserver.wire.dn import DN

T = TypeVar("T")

Answer: TypeAlias = T | Coroutine[Any, Any, T]


class Answers:
    """The answers of one directory; each method is that of `Directory`."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._finds = _accounts_of(directory, "find_account")
        self._knows = _accounts_of(directory, "account_at")
        # Who has another policy judges by that.
        self._judges = None if _accounts_of(directory, "policy") is None else _accounts_of(directory, "judge")
        self._privileged = _accounts_of(directory, "privileges")
        self._counts = _accounts_of(directory, "most_secrets")

    def find_account(self, name: str) -> Answer[Account | None]:
        """See `Directory`; raises `AmbiguousName` as that does, or has it raised."""
        return self.directory.find_account(name) if self._finds is None else self._finds.find_account(name)

    def account_at(self, dn: DN) -> Answer[Account | None]:
        """See `Directory`."""
        return self.directory.account_at(dn) if self._knows is None else self._knows.account_at(dn)

    def judge(
        self, account: Account | None, right: bool, workstation: str, by_password: bool = True, counted: bool = True
    ) -> Answer[Judgement]:
        """See `Directory`."""
        if self._judges is not None:
            return self._judges.judge(account, right, workstation, by_password, counted)
        return self.directory.judge(
            account, right=right, workstation=workstation, by_password=by_password, counted=counted
        )

    def privileges(self, dn: DN) -> Answer[tuple[str, ...]]:
        """See `Directory`."""
        return self.directory.privileges(dn) if self._privileged is None else self._privileged.privileges(dn)

    def most_secrets(self) -> int:
        """See `Directory`."""
        return self.directory.most_secrets if self._counts is None else self._counts.most_secrets()


def _accounts_of(directory: Directory, name: str) -> Accounts | None:
    """Who answers what the method `name` answers, if somebody does at once."""
    if name in getattr(directory, "__dict__", ()):
        return None
    for each in type(directory).__mro__:
        if "accounts_at_once" in vars(each):
            at_once: Accounts = directory.accounts_at_once  # type: ignore[attr-defined]  # not every directory's
            return at_once
        if name in vars(each):
            return None
    return None
