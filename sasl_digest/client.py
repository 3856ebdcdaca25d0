"""The client's side of one exchange (RFC 2831 sections 2.1.2, 2.1.3 and 2.2).

step(digest_challenge) -> Response | Failure      then      step(response_auth) -> Success | Failure

initial_response() -> Response when a server is remembered, then step() with the response-auth, or with the challenge
of a server that has forgotten, or thinks it too long ago
"""

import enum
import hmac
import secrets
from collections.abc import Callable, Sequence

from sasl_digest import channel_binding as binding
from sasl_digest import digest
from sasl_digest.credentials import Credential
from sasl_digest.errors import MalformedMessage, UsageError
from sasl_digest.layers import client_layer, least_maxbuf
from sasl_digest.messages import (
    DEFAULT_MAXBUF,
    MAX_MAXBUF,
    MIN_MAXBUF,
    QOP,
    Bound,
    Cipher,
    DigestChallenge,
    DigestResponse,
    ResponseAuth,
    is_challenge,
)
from sasl_digest.nonces import UPGRADED
from sasl_digest.outcomes import Failure, Reason, Remembered, Response, Success


def fresh_cnonce() -> bytes:
    """32 hexadecimal digits: 128 bits of chance ("at least 64", RFC 2831 section 2.1.2, cnonce)."""
    return secrets.token_hex(16).encode()


class _State(enum.Enum):
    START = "step() with the digest-challenge"
    BEGUN_AGAIN = "step() with the response-auth, or with a digest-challenge"
    ANSWERED = "step() with the response-auth"
    OVER = "nothing"


class DigestClient:
    """One exchange, seen from the client; it ends in Success only when the server has proved itself too.

    `challenge` is what the server sent, once it could be read.

    `service`, `host` and `serv_name` make the digest-uri: `ldap`, the server's name as the user typed it.
    `realm` is sent as given, for a server may take more realms than it offers (Active Directory offers the
    DNS name and takes the NetBIOS name too); `strict_realm` refuses one that was not offered. Without it the
    first one offered is taken, or none. Of `qop` and, for auth-conf, of `ciphers` the first that the server
    offers is chosen; auth-conf only with a cipher. `maxbuf` is the longest buffer of a security layer that is
    taken, in octets. `channel_binding` is the token (`channel_binding.token()`, or `NO_CHANNEL`) to bind the
    response to, for servers that know of it. `remembered`, of an earlier Success, is what `initial_response()`
    uses; one of other names, of another server or of a qop no longer wanted is as good as none.

    Raises UsageError for an empty username, service, host or authzid, for what UTF-8 cannot write (a lone
    surrogate, as Python makes of undecodable arguments), and for an empty qop.
    """

    challenge: DigestChallenge | None

    def __init__(
        self,
        username: str,
        credential: Credential,
        *,
        service: str,
        host: str,
        serv_name: str | None = None,
        realm: str | None = None,
        strict_realm: bool = False,
        authzid: str | None = None,
        qop: Sequence[QOP] = (QOP.AUTH,),
        ciphers: Sequence[Cipher] = (Cipher.TRIPLE_DES, Cipher.RC4),
        maxbuf: int = DEFAULT_MAXBUF,
        channel_binding: bytes | None = None,
        remembered: Remembered | None = None,
        cnonce: Callable[[], bytes] = fresh_cnonce,
    ) -> None:
        if not username:
            raise UsageError("username: must not be empty")
        if authzid == "":
            raise UsageError("authzid: must not be empty; None is for oneself")
        if not hasattr(credential, "secrets"):
            raise UsageError("credential: a Password, an HA1 or the like is due")
        if not qop or not all(isinstance(each, QOP) for each in qop):
            raise UsageError("qop: at least one QOP must be named")
        if QOP.AUTH_CONF in qop and not ciphers:
            raise UsageError("ciphers: at least one must be named for auth-conf")
        if not MIN_MAXBUF <= maxbuf <= MAX_MAXBUF:
            raise UsageError(f"maxbuf: {maxbuf}; must be from {MIN_MAXBUF} to {MAX_MAXBUF}")
        if not service or not host:
            raise UsageError("service, host: must not be empty; they make the digest-uri")
        given = {"username": username, "realm": realm, "authzid": authzid}
        given |= {"service": service, "host": host, "serv_name": serv_name}
        for directive, text in given.items():
            if text is not None and not _fits(text, "utf-8"):
                raise UsageError(f"{directive}: cannot be written in UTF-8")
        self.challenge = None
        self._username = username
        self._credential = credential
        self._digest_uri = "/".join(part for part in (service, host, serv_name) if part).encode()
        self._realm = realm
        self._strict_realm = strict_realm
        self._authzid = authzid
        self._wanted_qop = tuple(qop)
        self._wanted_ciphers = tuple(ciphers)
        self._maxbuf = maxbuf
        self._channel_binding = channel_binding
        self._remembered = remembered if remembered is not None and self._is_ours(remembered) else None
        self._cnonce = cnonce
        self._state = _State.START

    def _is_ours(self, remembered: Remembered) -> bool:
        return (
            remembered.username == self._username
            and remembered.digest_uri == self._digest_uri
            and self._realm in (None, remembered.realm)
            and remembered.qop in self._wanted_qop
            and (remembered.cipher is None or remembered.cipher in self._wanted_ciphers)
            and self._is_bound_alike(remembered)
        )

    def _is_bound_alike(self, remembered: Remembered) -> bool:
        # The cnonce is sent again, and is what binds a response: it must be bound to the channel of now, not of then.
        if self._channel_binding is None or not remembered.challenge.nonce.startswith(UPGRADED):
            return not remembered.cnonce.startswith(UPGRADED)
        return remembered.cnonce.startswith(binding.head(self._digest_uri, self._channel_binding))

    def initial_response(self) -> Response | None:
        """What to begin with, for a server that is remembered; None when it must speak first.

        Raises UsageError when called out of turn.
        """
        if self._state is not _State.START:
            raise UsageError(f"initial_response() out of turn; due: {self._state.value}")
        remembered = self._remembered
        if remembered is None:
            return None
        secret = self._secret(remembered.realm)
        if secret is None:
            return None
        # As the response to the challenge would be, with the nonce-count one more.  Section 2.2.1
        self.challenge = remembered.challenge
        self._qop, self._cipher = remembered.qop, remembered.cipher
        response = self._response(
            remembered.challenge, remembered.realm, secret, remembered.cnonce, remembered.nonce_count + 1
        )
        self._state = _State.BEGUN_AGAIN
        return Response(response.encode())

    def step(self, data: bytes) -> Response | Success | Failure:
        """Take what the server sent and say what comes next. Raises UsageError when called out of turn."""
        if self._state is _State.BEGUN_AGAIN:
            # A challenge in place of the proof: the server goes on as if this were the first time.  Section 2.2.2
            self._state = _State.START if is_challenge(data) else _State.ANSWERED
        if self._state is _State.START:
            outcome = self._answer(data)
            self._state = _State.ANSWERED if isinstance(outcome, Response) else _State.OVER
            return outcome
        if self._state is _State.ANSWERED:
            self._state = _State.OVER
            return self._confirm(data)
        raise UsageError(f"step() out of turn; due: {self._state.value}")

    def _answer(self, data: bytes) -> Response | Failure:
        try:
            self.challenge = challenge = DigestChallenge.parse(data)
        except MalformedMessage as cause:
            return Failure(Reason.MALFORMED, str(cause), cause)
        if (refusal := self._choose(challenge)) is not None:
            return refusal
        realm, note = self._realm, None
        if realm is None:
            # Of several realms the client chooses one; with none offered A1 has an empty one.  RFC 2831 section 2.1.1
            realm = challenge.realms[0] if challenge.realms else None
        elif challenge.realms and realm not in challenge.realms:
            note = f"realm {realm!r} was not offered (offered: {', '.join(map(repr, challenge.realms))})"
            if self._strict_realm:
                return Failure(Reason.REALM, note)
        if not challenge.utf8:
            # Without charset=utf-8 names travel in ISO 8859-1.  Section 2.1.1, charset
            for directive, text in (("username", self._username), ("realm", realm or "")):
                if not _fits(text, "iso-8859-1"):
                    return Failure(Reason.CHARSET, f"{directive}: not in ISO 8859-1; the server does not take UTF-8")
        secret = self._secret(realm)
        if secret is None:
            return Failure(
                Reason.NO_USABLE_SECRET, f"the stored hash is not for {self._username!r} in realm {realm!r}"
            )
        try:
            return Response(self._response(challenge, realm, secret, self._bound_cnonce(challenge), 1).encode(), note)
        except UsageError as error:  # a long nonce of the server's beside a long name of ours
            return Failure(Reason.MALFORMED, str(error))

    def _choose(self, challenge: DigestChallenge) -> Failure | None:
        """Settle on the first qop wanted that can be had; or why none can."""
        refusal = None
        for qop in self._wanted_qop:
            # Only what was offered may be chosen.  Section 2.1.2, qop
            if qop not in challenge.qop_options:
                continue
            self._qop, self._cipher = qop, None
            if qop is not QOP.AUTH_CONF:
                return None
            wanted = [cipher for cipher in self._wanted_ciphers if cipher in challenge.cipher_options]
            maxbuf = min(challenge.maxbuf, self._maxbuf)
            self._cipher = next((cipher for cipher in wanted if maxbuf >= least_maxbuf(cipher)), None)
            if self._cipher is not None:
                return None
            refusal = Failure(Reason.CIPHER, _none_of(self._wanted_ciphers, challenge.cipher_options))
            if wanted:
                refusal = Failure(Reason.CIPHER, f"maxbuf {maxbuf}: too small for {wanted[0].decode()}")
        return refusal or Failure(Reason.QOP, _none_of(self._wanted_qop, challenge.qop_options))

    def _secret(self, realm: str | None) -> bytes | None:
        return next(iter(self._credential.secrets(self._username, realm or "")), None)

    def _bound_cnonce(self, challenge: DigestChallenge) -> bytes:
        cnonce = self._cnonce()
        if self._channel_binding is None or not challenge.nonce.startswith(UPGRADED):
            return cnonce
        return binding.head(self._digest_uri, self._channel_binding) + cnonce

    def _response(
        self, challenge: DigestChallenge, realm: str | None, secret: bytes, cnonce: bytes, nonce_count: int
    ) -> DigestResponse:
        qop = self._qop
        authzid = None if self._authzid is None else self._authzid.encode()
        self._h_a1 = digest.h(digest.a1(secret, nonce=challenge.nonce, cnonce=cnonce, authzid=authzid))
        self._keyed = digest.keyed(self._h_a1, nonce=challenge.nonce, nonce_count=nonce_count, cnonce=cnonce, qop=qop)
        self._sent = response = DigestResponse(
            username=self._username,
            realm=realm,
            nonce=challenge.nonce,
            cnonce=cnonce,
            nonce_count=nonce_count,
            digest_uri=self._digest_uri,
            response=digest.response_value(self._keyed, digest.a2_of_client(self._digest_uri, qop)),
            qop=qop,
            maxbuf=self._maxbuf,
            utf8=challenge.utf8,
            cipher=self._cipher,
            authzid=self._authzid,
        )
        if self._channel_binding is None or not cnonce.startswith(UPGRADED):
            return response
        return response._replace(bound=Bound(binding.HASHED_DIRS, self._digest_uri, self._channel_binding))

    def _confirm(self, data: bytes) -> Success | Failure:
        # The client verifies the server's proof: without it anybody can claim to be the server.  Section 2.1.3
        if not data:
            return Failure(Reason.RSPAUTH, "the server sent no rspauth: it has not proved that it knows the secret")
        try:
            proof = ResponseAuth.parse(data)
        except MalformedMessage as cause:
            return Failure(Reason.MALFORMED, str(cause), cause)
        expected = digest.response_value(self._keyed, digest.a2_of_server(self._digest_uri, self._qop))
        if not hmac.compare_digest(proof.rspauth, expected):
            return Failure(Reason.RSPAUTH, "the server's rspauth is wrong: it does not know the secret")
        sent, challenge = self._sent, self.challenge
        assert challenge is not None  # there was one, or one is remembered
        layer = None
        if sent.qop is not QOP.AUTH:
            layer = client_layer(self._h_a1, sent.qop, sent.cipher, peer_maxbuf=challenge.maxbuf, limit=self._maxbuf)
        remembered = Remembered(
            username=sent.username,
            realm=sent.realm,
            digest_uri=sent.digest_uri,
            challenge=challenge,
            cnonce=sent.cnonce,
            nonce_count=sent.nonce_count,
            qop=sent.qop,
            cipher=sent.cipher,
        )
        return Success(sent.username, sent.realm or "", sent.authzid, sent.qop, layer=layer, remembered=remembered)


def _none_of(wanted: Sequence[QOP | Cipher], offered: Sequence[QOP | Cipher]) -> str:
    names = " or ".join(name.decode() for name in wanted)
    known = ", ".join(name.decode() for name in offered) or "nothing known"
    return f"{names} is not offered; the server offers {known}"


def _fits(text: str, charset: str) -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
