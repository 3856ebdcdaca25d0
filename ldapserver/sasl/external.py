"""EXTERNAL for the Bind operation (RFC 4422 appendix A, RFC 4513 section 5.2.3): a lower layer knows the client.

By TLS: a certificate, verified in the handshake, is an account's by one of the ways in `CERTIFICATE_MAPS`. By a Unix
socket: the system says which user's process is at its other end, and that is the account with these uidNumber and
gidNumber, or where there is none, or more than one, a name of its own, which slapd gave it first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.directory import Directory
from ldapserver.directory.entry import Entry
from ldapserver.process import Process
from ldapserver.sasl.mechanism import Accepted, Connection, Continue, Facts, Outcome, Refused
from ldapserver.wire.dn import DN, ROOT, is_visible
from ldapserver.wire.filters import And, Equality, Filter, Present
from ldapserver.wire.messages import Scope
from sasl_digest import Reason

if TYPE_CHECKING:
    from ldapserver.client_certificate import ClientCertificate

MAX_SHOWN = 2048  # characters of a name in a record: a certificate may hold as long a one as it likes

Found = Account | BindReason


class External:
    """The mechanism; `certificate_maps` are the ways from a certificate to an account, tried in this order."""

    def __init__(self, directory: Directory, certificate_maps: Sequence[str]) -> None:
        self._directory = directory
        self._maps = tuple(CERTIFICATE_MAPS[name] for name in certificate_maps)

    def offered(self, connection: Connection) -> bool:
        """Where it is known from below who the client is."""
        return connection.process is not None or connection.client_certificate is not None

    def start(self, connection: Connection) -> "ExternalExchange":
        """A new exchange."""
        return ExternalExchange(connection, self)

    async def of_certificate(self, certificate: "ClientCertificate", connection: Connection) -> Found:
        """Whose certificate it is."""
        accounts = _Accounts(self._directory, connection)
        for map in self._maps:
            try:
                account = await map(accounts, certificate)
            except AmbiguousName:
                return BindReason.AMBIGUOUS_NAME
            if account is not None:
                return account
        return BindReason.UNMAPPED_IDENTITY

    async def of_process(self, process: Process, connection: Connection) -> Account:
        """Whose process it is."""
        numbers = (("uidNumber", process.uid), ("gidNumber", process.gid))
        filter = And(tuple(Equality(name, str(number).encode()) for name, number in numbers))
        try:
            account = await _Accounts(self._directory, connection).only(filter)
        except AmbiguousName:
            account = None
        if account is not None:
            return account
        name = peer_credentials(process)
        return Account(name, str(name))


class ExternalExchange:
    """One exchange."""

    package = ""  # no credentials are checked here: no record of it is an event 4776

    def __init__(self, connection: Connection, mechanism: External) -> None:
        self._connection = connection
        self._mechanism = mechanism
        self._asked = False

    async def step(self, credentials: bytes | None) -> Outcome:
        """Take the authzid, empty where the client asks to be itself; who sends nothing at first is asked for it."""
        connection = self._connection
        tls = connection.client_certificate
        # Where no lower layer has established who the client is, the bind must fail so.  RFC 4513 section 5.2.3
        if tls is None and connection.process is None:
            return Refused(BindReason.NO_CERTIFICATE)
        if credentials is None and not self._asked:
            # An initial response that is absent is asked for, an empty one is an answer.  RFC 4422 section 5, A
            self._asked = True
            return Continue(b"")
        try:
            authzid = _authzid(credentials or b"")
        except ValueError as error:
            return Refused(Reason.MALFORMED, detail=str(error))
        if tls is not None:
            return await self._by_certificate(tls, authzid)
        assert connection.process is not None
        account = await self._mechanism.of_process(connection.process, connection)
        return _accepted(account, peer_credentials(connection.process), authzid)

    async def _by_certificate(self, der: bytes, authzid: str | None) -> Outcome:
        from ldapserver.client_certificate import ClientCertificate, UnreadableCertificate

        try:
            certificate = ClientCertificate.parse(der)
        except UnreadableCertificate as error:
            return Refused(BindReason.UNMAPPED_IDENTITY, Facts(authzid=authzid), str(error))
        found = await self._mechanism.of_certificate(certificate, self._connection)
        if isinstance(found, Account):
            return _accepted(found, certificate.subject, authzid)
        subject = _shown(certificate.subject)
        whose = "more than one account's" if found is BindReason.AMBIGUOUS_NAME else "no account's"
        return Refused(found, Facts(subject, authzid=authzid), f"the certificate of {subject} is {whose}")


def _accepted(account: Account, proven: DN, authzid: str | None) -> Accepted:
    name = _shown(proven)
    detail = name if account.dn == proven else f"{name} is {account.dn}"
    return Accepted(account, b"", Facts(name, authzid=authzid), detail=detail)


def peer_credentials(process: Process) -> DN:
    """The name that slapd has for a process at the other end of a Unix socket."""
    return DN.parse(f"gidNumber={process.gid}+uidNumber={process.uid},cn=peercred,cn=external,cn=auth")


def _authzid(credentials: bytes) -> str | None:
    """The authorization identity asked for. Raises ValueError with the rule that is broken."""
    # "UTF-8 encoded Unicode character except NUL".  RFC 4422 appendix A.1
    if b"\0" in credentials:
        raise ValueError("authzid: must not hold NUL")
    try:
        return credentials.decode() or None
    except UnicodeDecodeError:
        raise ValueError("authzid: must be UTF-8") from None


def _shown(name: DN) -> str:
    return str(name)[:MAX_SHOWN]


class _Accounts:
    """The accounts of a directory by what a certificate or the system knows of them."""

    def __init__(self, directory: Directory, connection: Connection) -> None:
        self.directory = directory
        self._connection = connection

    async def only(self, filter: Filter, test: Callable[[Entry], bool] = lambda entry: True) -> Account | None:
        """The one account of which `filter` and `test` are true; with more than one, AmbiguousName is raised."""
        found: Account | None = None
        async for entry in self._entries(filter):
            if not test(entry) or (account := await self.directory.account_at(entry.dn)) is None:
                continue
            if found is not None:
                raise AmbiguousName("more than one entry")
            found = account
        return found

    async def _entries(self, filter: Filter) -> AsyncIterator[Entry]:
        # The root is above all naming contexts, as it is for a client's search.
        async for batch in self.directory.search(ROOT, Scope.WHOLE_SUBTREE, filter):
            for entry in batch:
                yield entry
            if not batch:  # much was looked at and nothing found: others have their turn
                await self._connection.host.pause()


def _printable(text: str) -> bool:
    return bool(text) and is_visible(text)


async def _by_subject(accounts: _Accounts, certificate: "ClientCertificate") -> Account | None:
    """The account whose entry has the subject's name."""
    subject = certificate.subject
    values = [ava.value.decode("utf-8", "replace") for rdn in subject.rdns for ava in rdn]
    if not values or not all(map(_printable, values)):
        return None
    return await accounts.directory.account_at(subject)


async def _by_upn(accounts: _Accounts, certificate: "ClientCertificate") -> Account | None:
    """The account that answers to the UPN, which is always USER@DOMAIN."""
    for name in certificate.principal_names:
        if "@" in name and (account := await accounts.directory.find_account(name)) is not None:
            return account
    return None


async def _by_email(accounts: _Accounts, certificate: "ClientCertificate") -> Account | None:
    """The one account with this mail address."""
    for address in certificate.mail_addresses:
        if _printable(address):
            account = await accounts.only(Equality("mail", address.encode()))
            if account is not None:
                return account
    return None


async def _by_certificate(accounts: _Accounts, certificate: "ClientCertificate") -> Account | None:
    """The one account whose userCertificate it is, octet for octet."""
    held = ("usercertificate", "2.5.4.36")

    def holds(entry: Entry) -> bool:
        return any(certificate.der in values for name, values in entry if name.partition(";")[0].lower() in held)

    return await accounts.only(Present("userCertificate"), holds)


CERTIFICATE_MAPS: dict[str, Callable[[_Accounts, "ClientCertificate"], Awaitable[Account | None]]] = {
    "subject": _by_subject,
    "upn": _by_upn,
    "email": _by_email,
    "certificate": _by_certificate,
}
