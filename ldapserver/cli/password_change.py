"""What `ldapserver passwd` is asked to do about one account, and what it has done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ldapserver.cli.exit_status import Failure
from ldapserver.directory.account_reset import AccountReset

CONSTRAINT_VIOLATION = 19
NO_SUCH_OBJECT = 32


@dataclass(frozen=True, slots=True)
class PasswordChange:
    """`user` is whom it is about, None for who binds.

    `password` gives the new password, told for whom; it is None where the password stays, unless one is to be made up
    (`generate`). `realm` and `netbios` are the domain's two names, None where they follow from the suffix.
    """

    user: str | None
    password: Callable[[str], str] | None
    generate: bool
    reset: AccountReset
    realm: str | None = None
    netbios: str | None = None

    @property
    def new_password(self) -> bool:
        """Whether the account gets another password."""
        return self.generate or self.password is not None


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done to the account of this name; `generated` is the password that was made up."""

    name: str
    asked: PasswordChange
    generated: str | None = field(default=None, repr=False)

    @property
    def what(self) -> list[str]:
        """In the words of the options."""
        reset = self.asked.reset
        words = {None: [], True: ["must-change"], False: ["no-must-change"]}[reset.must_change]
        return [
            *(["password"] if self.asked.new_password else []),
            *words,
            *(["unlock"] if reset.unlock else []),
        ]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        made = {} if self.generated is None else {"password": self.generated}
        return {"dn": self.name, "changed": self.what, **made}

    def __str__(self) -> str:
        words = {
            "password": "the password is changed",
            "must-change": "it must be changed before the account can be used",
            "no-must-change": "it need not be changed first",
            "unlock": "the account is unlocked",
        }
        return f"{self.name}: {'; '.join(words[each] for each in self.what)}"


class NotChanged(Failure):
    """It was refused, and nothing has changed."""
