"""Who a connection is, who it may become, and what that lets it do: the one place that decides it.

An account may act as itself and as those its authzTo names.

    anonymous       reads the root DSE and the subschema
    who has bound   reads every entry, and writes userPassword and unicodePwd of its own entry (`own_password.py`)
    `admin`         a name the operator gave: writes everything, and sees which kinds of secret an account holds

Nobody writes the root DSE and the subschema, which say what the server does, nor anything where the directory is
read-only (`Config.read_only`). Who may not write is told so before anything is looked up, and so learns nothing of
what there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ldapserver.config import Config
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.authzid import AuthzId, InvalidAuthzId
from ldapserver.directory.directory import Directory
from ldapserver.directory.own_password import OWN_ATTRIBUTES
from ldapserver.errors import OperationRefused
from ldapserver.wire.dn import DN, ROOT
from ldapserver.wire.messages import ResultCode


@dataclass(init=False, slots=True, unsafe_hash=True)
class Identity:
    """The authorization state of a connection (RFC 4513 section 4)."""

    # Not frozen, and with an `__init__` of its own: as in `sasl.mechanism`, for every bind makes one.
    dn: DN
    name: str
    admin: bool = False

    def __init__(self, dn: DN, name: str, admin: bool = False) -> None:
        self.dn = dn
        self.name = name
        self.admin = admin

    @property
    def anonymous(self) -> bool:
        """Whether nobody has bound."""
        return not self.dn.rdns

    @property
    def authzid(self) -> str:
        """As `Who am I?` answers: `dn:` and the name, empty for anonymous (RFC 4532 section 2.2)."""
        return "" if self.anonymous else f"dn:{self.dn}"


ANONYMOUS: Final = Identity(ROOT, "")

_READ_ONLY = "the directory is read-only: several workers serve it, and none would know of another's change"


def may_read_entries(identity: Identity, *, anonymous_search: bool) -> bool:
    """Whether entries of the directory may be read and compared."""
    return anonymous_search or not identity.anonymous


def check_writable(config: Config) -> None:
    """Raise OperationRefused where nobody may write, whoever it is.

    "The server is unwilling to perform the operation": RFC 4511 appendix A.2, unwillingToPerform.
    """
    if config.read_only:
        raise OperationRefused(ResultCode.UNWILLING_TO_PERFORM, _READ_ONLY)


def may_write_entries(identity: Identity) -> bool:
    """Whether any entry may be added, changed, renamed and deleted."""
    return identity.admin


def may_modify(identity: Identity, dn: DN, descriptions: Iterable[str]) -> bool:
    """Whether these attributes of the entry may be changed: by an administrator any, by others their password."""
    if identity.admin:
        return True
    names = {description.partition(";")[0].lower() for description in descriptions}
    return not identity.anonymous and dn.key == identity.dn.key and bool(names) and names <= OWN_ATTRIBUTES


async def acting_as(directory: Directory, account: Account, authzid: str, workstation: str) -> Account | None:
    """Who `account` becomes when it asks to act as `authzid`; None when it may not, or nobody is meant.

    Whom something stands against nobody acts as; `workstation` is where from, as `Directory.judge` is told.
    """
    asked = await _allowed(directory, account, authzid)
    return None if asked is None or await _barred(directory, asked, workstation) else asked


async def _allowed(directory: Directory, account: Account, authzid: str) -> Account | None:
    try:
        parsed = AuthzId.parse(authzid)
    except InvalidAuthzId:
        return None
    # Who was authenticated by EXTERNAL need not have an entry, and is itself all the same.
    if parsed.dn is not None and parsed.dn.key == account.dn.key:
        return account
    asked = await _meant(directory, parsed)
    if asked is None or asked.dn.key == account.dn.key:
        return asked
    for rule in account.authz_to:
        allowed = await _meant(directory, rule)
        if allowed is not None and allowed.dn.key == asked.dn.key:
            return asked
    return None


async def proxied(directory: Directory, identity: Identity, authzid: str, workstation: str) -> Account | None:
    """Whom a request of `identity` is carried out as under proxied authorization (RFC 4370); None when it may not.

    An administrator may act as any account that nothing stands against, an account as `acting_as` says.
    """
    if identity.admin:
        try:
            asked = await _meant(directory, AuthzId.parse(authzid))
        except InvalidAuthzId:
            return None
        return None if asked is None or await _barred(directory, asked, workstation) else asked
    account = None if identity.anonymous else await directory.account_at(identity.dn)
    return None if account is None else await acting_as(directory, account, authzid, workstation)


async def _barred(directory: Directory, account: Account, workstation: str) -> bool:
    """Whether the account could not come in itself; how old a password is does not matter, for none is shown."""
    judgement = await directory.judge(account, right=True, workstation=workstation, by_password=False, counted=False)
    return judgement.status is not None


async def _meant(directory: Directory, authzid: AuthzId) -> Account | None:
    if authzid.dn is not None:
        return await directory.account_at(authzid.dn)
    try:
        return await directory.find_account(authzid.name)
    except AmbiguousName:
        return None
