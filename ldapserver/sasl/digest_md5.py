"""DIGEST-MD5 for the Bind operation: the engine asks who the user is, the directory answers."""

from collections.abc import Awaitable
from typing import Final

from ldapserver.audit.record import WDIGEST
from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.answers import Answer, Answers
from ldapserver.directory.directory import Directory
from ldapserver.directory.password_history import KEPT
from ldapserver.sasl.mechanism import NO_FACTS, Accepted, Connection, Continue, Facts, Outcome, Refused
from sasl_digest import QOP, Challenge, DigestServer, Reason
from sasl_digest.channel_binding import END_POINT, NO_CHANNEL, token
from sasl_digest.proving import Proved


class _NoSecret:
    """The credential of an account that holds nothing a digest could be checked with."""

    def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
        """None."""
        return ()


_NO_SECRET: Final = _NoSecret()
_AUTH: Final = QOP.AUTH.decode()


class DigestMD5:
    """The mechanism: `server` holds the terms that every exchange starts with, `inside_tls` those inside TLS.

    With `require_signing` an exchange in the clear must bring a layer. With `bind_channel` a client inside TLS that
    binds its response to a channel must name this one.
    """

    def __init__(
        self,
        server: DigestServer,
        directory: Directory,
        inside_tls: DigestServer | None = None,
        *,
        require_signing: bool = False,
        bind_channel: bool = False,
    ) -> None:
        self._server = server
        self._bind_channel = bind_channel
        self._inside_tls = inside_tls or server
        self._answers = Answers(directory)
        self._require_signing = require_signing

    def offered(self, connection: Connection) -> bool:
        """Always."""
        return True

    def start(self, connection: Connection) -> "DigestExchange":
        """A new exchange."""
        tls = connection.tls
        if tls is None:
            # Who binds to a channel must know that there is none: else a man in the middle speaks TLS to the client.
            channel = NO_CHANNEL if self._bind_channel else None
            require_layer = self._require_signing and not connection.local
            return DigestExchange(self._server, channel, self._answers, require_layer)
        channel = token(END_POINT + tls.end_point) if self._bind_channel else None
        return DigestExchange(self._inside_tls, channel, self._answers)


class DigestExchange:
    """One exchange, between one DigestServer and the directory; `channel` is the token of what it runs in."""

    __slots__ = (
        "_answers",
        "_challenged",
        "_channel",
        "_initial",
        "_name",
        "_require_layer",
        "_server",
        "_terms",
        "package",
    )

    _initial: bool  # whether the step under way began the exchange
    _name: str | None  # the reading of the username that led to an account

    def __init__(
        self,
        terms: DigestServer,
        channel: bytes | None,
        answers: Answers,
        require_layer: bool = False,
    ) -> None:
        self.package = WDIGEST
        self._terms = terms
        self._channel = channel
        self._server = terms.fresh(channel)
        self._answers = answers
        self._require_layer = require_layer
        self._challenged = False

    def step(self, credentials: bytes | None) -> Answer[Outcome]:
        """Take the client's credentials, which are absent or empty in the first step."""
        server = self._server
        outcome = server.take(credentials or b"")
        if isinstance(outcome, bytes):
            self._challenged = True
            return Continue(outcome)
        self._initial = not self._challenged
        self._name = None
        if isinstance(outcome, Challenge):
            return self._go_on(outcome)
        if outcome is not None:
            return Refused(outcome.reason, self._facts(), None if outcome.cause is None else str(outcome.cause))
        response = server.response
        assert response is not None  # it is what the engine asks about
        # Before any credential is looked at: the answer must not tell whether the password was right.
        if self._require_layer and response.qop is QOP.AUTH:
            return self._want_layer()
        return self._look_up(response.username, response.other_username)

    def _look_up(self, name: str, other: str | None) -> Answer[Outcome]:
        """What the step comes to, by whoever is called so, and where nobody is, by whom the `other` name leads to."""
        try:
            account = self._answers.find_account(name)
        except AmbiguousName:
            return self._verdict(None, BindReason.AMBIGUOUS_NAME)
        if account is None or isinstance(account, Account):
            return self._found(name, other, account)
        return self._awaited(name, other, account)

    async def _awaited(self, name: str, other: str | None, account: Awaitable[Account | None]) -> Outcome:
        try:
            found = await account
        except AmbiguousName:
            return self._verdict(None, BindReason.AMBIGUOUS_NAME)
        outcome = self._found(name, other, found)
        return outcome if isinstance(outcome, (Continue, Accepted, Refused)) else await outcome

    def _found(self, name: str, other: str | None, account: Account | None) -> Answer[Outcome]:
        if account is not None:
            self._name = name
        elif other is not None:
            return self._look_up(other, None)
        return self._verdict(account)

    def _verdict(self, account: Account | None, ambiguous: BindReason | None = None) -> Outcome:
        """Whether it is this account's password that was proved; nobody's costs as much to see."""
        credential = None if account is None else account.credential or _NO_SECRET
        verdict = self._server.prove(credential, self._answers.most_secrets())
        if isinstance(verdict, Proved) and account is not None:
            return Accepted(account, verdict.data, self._facts(verdict.reading), verdict.layer, None, self)
        reason = Reason.UNKNOWN_USER if isinstance(verdict, Proved) else verdict.reason
        spared = self._is_former(account) and reason is Reason.WRONG_PASSWORD
        if isinstance(verdict, Challenge):
            return self._go_on(verdict, ambiguous, account, spared=spared)
        return Refused(ambiguous or reason or Reason.UNKNOWN_USER, self._facts(), account=account, spared=spared)

    def _is_former(self, account: Account | None) -> bool:
        """Whether what was refused is one of the account's former passwords, where that matters; nobody's is none."""
        directory = self._answers.directory
        if not directory.policy.spare_old_passwords:
            return False
        credential = None if account is None else account.former_credential
        return self._server.matches(credential, KEPT * directory.most_secrets)

    def _want_layer(self) -> Continue | Refused:
        facts = self._facts()
        if self._challenged:
            return Refused(BindReason.SIGNING_REQUIRED, facts)
        return Continue(self._anew(), BindReason.SIGNING_REQUIRED, facts)

    def _anew(self) -> bytes:
        """The challenge that an initial response gets which will not do.  RFC 2831 section 2.2.2."""
        self._server = self._terms.fresh(self._channel)
        challenge = self._server.step(b"")
        assert isinstance(challenge, Challenge)
        self._challenged = True
        return challenge.data

    def barred(self, refused: Refused) -> Continue | Refused:
        """A right response of an account that may not be let in, as if it had been wrong: never with stale=true."""
        self._server.make_up()
        self._is_former(refused.account)  # as is seen of a wrong one
        if not self._initial:
            return refused
        return Continue(self._anew(), refused.reason, refused.facts, refused.detail, refused.account)

    def _go_on(
        self,
        challenge: Challenge,
        ambiguous: BindReason | None = None,
        account: Account | None = None,
        *,
        spared: bool = False,
    ) -> Continue:
        """A challenge; one that takes the place of a verdict is worth a record."""
        self._challenged = True
        reason, detail = ambiguous or challenge.reason, challenge.detail or None
        return Continue(challenge.data, reason, self._facts(), detail, account, spared, self)

    def _facts(self, reading: str | None = None) -> Facts:
        response = self._server.response
        if response is None:
            return NO_FACTS
        return Facts(
            self._name or response.username,
            response.realm,
            response.authzid,
            _AUTH if response.qop is QOP.AUTH else response.qop.decode(),
            None if response.cipher is None else response.cipher.decode(),
            _text(response.digest_uri),
            reading,
        )


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:  # rare, and it takes compiled code several times as long to ask for this at once
        return octets.decode("utf-8", "replace")
