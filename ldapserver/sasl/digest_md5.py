"""DIGEST-MD5 for the Bind operation: the engine asks who the user is, the directory answers."""

from ldapserver.audit.record import WDIGEST
from ldapserver.audit.status import BindReason
from ldapserver.directory.account import Account, AmbiguousName
from ldapserver.directory.directory import Directory
from ldapserver.sasl.mechanism import NO_FACTS, TLS, Accepted, Continue, Facts, Outcome, Refused
from sasl_digest import QOP, Challenge, DigestResponse, DigestServer, Failure, Reason, Success


class _NoSecret:
    """The credential of an account that holds nothing a digest could be checked with."""

    def secrets(self, username: str, realm: str) -> tuple[bytes, ...]:
        """None."""
        return ()


_NO_SECRET = _NoSecret()


class DigestMD5:
    """The mechanism: `server` holds the terms that every exchange starts with, `inside_tls` those inside TLS.

    With `require_signing` an exchange outside of TLS must bring a layer.
    """

    def __init__(
        self,
        server: DigestServer,
        directory: Directory,
        inside_tls: DigestServer | None = None,
        *,
        require_signing: bool = False,
    ) -> None:
        self._server = server
        self._inside_tls = inside_tls or server
        self._directory = directory
        self._require_signing = require_signing

    def start(self, tls: TLS | None) -> "DigestExchange":
        """A new exchange."""
        if tls is None:
            return DigestExchange(self._server.fresh(), self._directory, require_layer=self._require_signing)
        return DigestExchange(self._inside_tls.fresh(), self._directory)


class DigestExchange:
    """One exchange, between one DigestServer and the directory."""

    package = WDIGEST

    def __init__(self, server: DigestServer, directory: Directory, *, require_layer: bool = False) -> None:
        self._server = server
        self._directory = directory
        self._require_layer = require_layer

    async def step(self, credentials: bytes | None) -> Outcome:
        """Take the client's credentials, which are absent or empty in the first step."""
        server = self._server
        outcome = server.step(credentials or b"")
        if isinstance(outcome, Challenge):
            return Continue(outcome.data)
        if isinstance(outcome, Failure):
            detail = None if outcome.cause is None else str(outcome.cause)
            return Refused(outcome.reason, _facts(server.response), detail)
        # Before any credential is looked at: the answer must not tell whether the password was right.
        if self._require_layer and server.response is not None and server.response.qop is QOP.AUTH:
            return Refused(BindReason.SIGNING_REQUIRED, _facts(server.response))
        account: Account | None
        ambiguous = False
        try:
            account = await self._directory.find_account(outcome.username)
        except AmbiguousName:
            account, ambiguous = None, True
        verdict = server.verify(None if account is None else account.credential or _NO_SECRET)
        facts = _facts(server.response)
        if isinstance(verdict, Success) and account is not None:
            return Accepted(account, verdict.data, facts, verdict.layer)
        if isinstance(verdict, Challenge):
            return Continue(verdict.data, Reason.NONCE_EXPIRED, facts)
        if ambiguous:
            return Refused(BindReason.AMBIGUOUS_NAME, facts)
        return Refused(verdict.reason if isinstance(verdict, Failure) else Reason.UNKNOWN_USER, facts)


def _facts(response: DigestResponse | None) -> Facts:
    if response is None:
        return NO_FACTS
    return Facts(
        response.username,
        response.realm,
        response.authzid,
        response.qop.decode(),
        None if response.cipher is None else response.cipher.decode(),
        response.digest_uri.decode("utf-8", "replace"),
    )
