"""The server's side of one exchange: challenge, question, verdict (RFC 2831 sections 2.1.1 to 2.1.3 and 2.2).

step(b"")  -> Challenge          then   step(digest_response) -> Lookup | Failure
verify(credential) -> Success | Failure, or a Challenge with stale=true when only the nonce had expired

step(digest_response) at once, from a client that was here before, -> Lookup, or a Challenge when it will not do
"""

import enum
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sasl_digest import channel_binding as binding
from sasl_digest import digest
from sasl_digest.credentials import READINGS, Credential, Password, ReadSecret
from sasl_digest.errors import MalformedMessage, UsageError
from sasl_digest.layers import least_maxbuf, server_layer
from sasl_digest.messages import (
    DEFAULT_MAXBUF,
    MAX_CHALLENGE,
    MAX_MAXBUF,
    MIN_MAXBUF,
    QOP,
    Cipher,
    DigestChallenge,
    DigestResponse,
)
from sasl_digest.nonces import MAX_NONCE, UPGRADED, NonceBook, Nonces, NonceState
from sasl_digest.outcomes import Challenge, Failure, Lookup, Reason, Success

# Stands in for the credential of a user that is not there, so that the answer costs what a wrong password costs.
_NOBODY = Password(secrets.token_hex(16))


class _State(enum.Enum):
    START = "step() with the initial response, empty the first time"
    CHALLENGED = "step() with the digest-response"
    ASKED = "verify() with what is known of the user"
    OVER = "nothing"


@dataclass(frozen=True, slots=True)
class _Terms:
    """What one server offers and accepts, worked out once for all its exchanges."""

    head: bytes  # the challenge up to its nonce's octets, and from them on
    tail: bytes
    tail_when_stale: bytes
    service: str | None
    hosts: frozenset[str] | None
    serv_names: frozenset[str]
    qop: frozenset[QOP]
    ciphers: frozenset[Cipher]
    buffer_limit: int
    realms: frozenset[str] | None
    binding_required: bool
    readings: int


class DigestServer:
    """One exchange, seen from the server; `fresh()` gives the next one under the same terms.

    `response` is what the client sent, once it could be read: for the audit.

    `realms` are offered, and with `other_realms` accepted, without regard to case; with neither any realm
    is. An empty string among them accepts a client that names no realm. `service` is the serv-type that
    digest-uri must name (`ldap`, `imap`), `hosts` the names of this server it may name; None checks
    neither. `qop` and, with auth-conf, `ciphers` are offered in this order. `maxbuf` is the longest buffer of a
    security layer that clients are told, and `buffer_limit` the longest that is taken all the same, for ldap3 and
    others ignore maxbuf; both in octets. `nonces` may be shared by many servers, and is their memory.
    `channel_binding` is the token (`channel_binding.token()`) of the channel that a client which binds one must
    name; `binding_required` refuses one that binds none. Both are for nonces that say `+Upgraded+v1`.
    `readings` is the most secrets that the credential of any account offers for one name: every failure does the
    work of so many, whoever it is about.

    Raises UsageError for terms that no client could meet.
    """

    response: DigestResponse | None

    def __init__(
        self,
        *,
        realms: Iterable[str] = (),
        other_realms: Iterable[str] = (),
        service: str | None = None,
        hosts: Iterable[str] | None = None,
        qop: Sequence[QOP] = (QOP.AUTH,),
        ciphers: Sequence[Cipher] = (Cipher.TRIPLE_DES, Cipher.RC4),
        utf8: bool = True,
        maxbuf: int = DEFAULT_MAXBUF,
        buffer_limit: int | None = None,
        nonces: Nonces | None = None,
        channel_binding: bytes | None = None,
        binding_required: bool = False,
        readings: int = READINGS,
    ) -> None:
        for name, names in (("realms", realms), ("other_realms", other_realms), ("hosts", hosts)):
            if isinstance(names, str | bytes):
                raise UsageError(
                    f"{name}: several names are due, in a list or the like, and not one {type(names).__name__}"
                )
        if not qop or not all(isinstance(each, QOP) for each in qop):
            raise UsageError("qop: at least one QOP must be offered")
        if not all(isinstance(each, Cipher) for each in ciphers):
            raise UsageError("ciphers: Cipher is what they are")
        if QOP.AUTH_CONF in qop and not ciphers:
            raise UsageError("ciphers: at least one must be offered for auth-conf")
        if not MIN_MAXBUF <= maxbuf <= MAX_MAXBUF:
            raise UsageError(f"maxbuf: {maxbuf}; must be from {MIN_MAXBUF} to {MAX_MAXBUF}")
        offered = tuple(realms)
        accepted = frozenset(realm.lower() for realm in (*offered, *other_realms))
        self._nonces = NonceBook() if nonces is None else nonces
        challenge = DigestChallenge(
            nonce=b"",
            realms=offered,
            qop_options=tuple(qop),
            cipher_options=tuple(ciphers) if QOP.AUTH_CONF in qop else (),
            maxbuf=maxbuf,
            utf8=utf8,
        )
        head, tail = _around_nonce(challenge)
        _, stale = _around_nonce(replace(challenge, stale=True))
        if len(head) + MAX_NONCE + len(stale) >= MAX_CHALLENGE:
            raise UsageError(f"realms: too long for a digest-challenge, of fewer than {MAX_CHALLENGE} octets")
        self._terms = _Terms(
            head=head,
            tail=tail,
            tail_when_stale=stale,
            service=None if service is None else service.lower(),
            hosts=None if hosts is None else frozenset(_host(host) for host in hosts),
            serv_names=accepted,
            qop=frozenset(qop),
            ciphers=frozenset(challenge.cipher_options),
            buffer_limit=maxbuf if buffer_limit is None else max(maxbuf, buffer_limit),
            realms=accepted or None,
            binding_required=binding_required,
            readings=readings,
        )
        self._begin(channel_binding)

    def fresh(self, channel_binding: bytes | None = None) -> "DigestServer":
        """A server for the next exchange: the same terms, the same nonces, another channel; nothing else shared."""
        return _Next(self._terms, self._nonces, channel_binding)

    def _begin(self, channel_binding: bytes | None) -> None:
        self._state = _State.START
        self._channel_binding = channel_binding
        self._subsequent = False
        self._refusal: Reason | None = None
        self._spared = 0  # readings that a right response left untried
        self._just_remembered: bytes | None = None  # the nonce of a right response, its first
        self.response = None

    def step(self, data: bytes) -> Challenge | Lookup | Failure:
        """Take what the client sent and say what comes next. Raises UsageError when called out of turn."""
        if self._state is _State.START:
            # A server without subsequent authentication answers an initial response with a challenge, and goes on as
            # if there had been none.  Section 2.2
            return self._begin_again(data) if data and self._nonces.remembers else self._challenge()
        if self._state is _State.CHALLENGED:
            self._state = _State.OVER
            self.response = None
            try:
                self.response = response = DigestResponse.parse(data)
            except MalformedMessage as cause:
                return Failure(Reason.MALFORMED, str(cause), cause)
            # The nonce is the one just sent.  Section 2.1.2, nonce
            if not hmac.compare_digest(response.nonce, self._nonce):
                foreign = self._nonces.state(response.nonce) is NonceState.FOREIGN
                return Failure(Reason.NONCE_FOREIGN if foreign else Reason.NONCE_REPLAYED)
            # The nonce-count of a first authentication is 00000001.  Section 2.1.3
            if response.nonce_count != 1:
                return Failure(Reason.NONCE_COUNT)
            reason = self._unacceptable(response)
            return self._ask(response) if reason is None else Failure(reason)
        raise UsageError(f"step() out of turn; due: {self._state.value}")

    def _begin_again(self, data: bytes) -> Challenge | Lookup:
        """Take an initial response: a subsequent authentication, section 2.2.

        What will not do is answered with a challenge, as by a server that has forgotten: the client goes on as if it
        were its first time. Why it would not do is said to our caller only.
        """
        try:
            self.response = response = DigestResponse.parse(data)
        except MalformedMessage as cause:
            return self._challenge(reason=Reason.MALFORMED, detail=str(cause))
        nonces = self._nonces
        due = nonces.due(response.nonce)
        if due is None:
            state = nonces.state(response.nonce)
            if state is not NonceState.EXPIRED:
                foreign = state is NonceState.FOREIGN
                return self._challenge(reason=Reason.NONCE_FOREIGN if foreign else Reason.NONCE_FORGOTTEN)
            # Forgotten because it is old: who knows the password is told that it was only that.
        # The nonce-count is the last accepted one and one.  Section 2.2.2
        elif response.nonce_count != due:
            return self._challenge(reason=Reason.NONCE_COUNT)
        reason = self._unacceptable(response)
        if reason is not None:
            return self._challenge(reason=reason)
        self._subsequent = True
        return self._ask(response)

    def verify(self, credential: Credential | None, readings: int | None = None) -> Success | Challenge | Failure:
        """Answer the Lookup: what is known of the user, or None for nobody, which costs the same time.

        `readings` is what the terms say unless it is given: accounts may change while a server lives.
        Raises UsageError when called out of turn.
        """
        response = self.response
        if self._state is not _State.ASKED or response is None:
            raise UsageError(f"verify() out of turn; due: {self._state.value}")
        self._state = _State.OVER
        realm, other = response.realm or "", response.other_username
        refusal = self._refusal
        known = _NOBODY if credential is None or refusal is not None else credential
        if credential is None:
            refusal = refusal or Reason.UNKNOWN_USER
        names = (response.username,) if other is None else (response.username, other)
        proved, due = None, (readings or self._terms.readings) * len(names)
        usable = False
        for name in names:
            offered = tuple(known.secrets(name, realm))
            usable |= bool(offered)
            if proved is None:
                proved = _matching(name, offered, response)
                due -= len(offered) if proved is None else proved.tried
        if not usable:
            refusal = Reason.NO_USABLE_SECRET
        if refusal is not None or proved is None:
            _make_up(due, response)
            return self._refuse(refusal or Reason.WRONG_PASSWORD)
        self._spared = due
        challenge = self._counted(response, proved)
        if challenge is not None:
            return challenge
        success = self._accept(response, proved)
        # The proof is about as much as one reading, and the keys of a layer as another.
        self._spared = max(0, due - (1 if success.layer is None else 2))
        return success

    def make_up(self) -> None:
        """Do the work that a right response was spared, where its user is refused for all that.

        What keeps them out is then not told by the time it takes: a wrong response costs as much. Nor by the next
        step: its nonce is forgotten, for one that came with a wrong response is not remembered either.
        """
        nonce, self._just_remembered = self._just_remembered, None
        if nonce is not None:
            self._nonces.forget(nonce)
        spared, self._spared = self._spared, 0
        if self.response is not None:
            _make_up(spared, self.response)

    def matches(self, credential: Credential | None, readings: int | None = None) -> bool:
        """Whether the response that was last asked about is made of another credential: a former password, say.

        Nothing comes of it, and it costs the same whatever the answer, for None too: `readings` is the most secrets
        that any such credential offers for one name, by default what the terms say. Raises UsageError when there is
        no response.
        """
        response = self.response
        if response is None:
            raise UsageError("matches() out of turn; due: a digest-response")
        realm, other = response.realm or "", response.other_username
        names = (response.username,) if other is None else (response.username, other)
        due = (readings or self._terms.readings) * len(names)
        found = False
        for name in names:
            offered = () if credential is None else tuple(credential.secrets(name, realm))
            due -= len(offered)
            for secret in offered:
                found |= _matching(name, (secret,), response) is not None
        _make_up(due, response)
        return found

    def _counted(self, response: DigestResponse, proved: "_Proved") -> Challenge | None:
        """Count the nonce of a right response; the challenge that is due when it is too old, or not its turn."""
        nonces, nonce = self._nonces, response.nonce
        # Only who knew the password is told that it was the nonce.  Section 2.1.1, stale
        if nonces.due(nonce) is None if self._subsequent else nonces.expired(nonce):
            return self._challenge(stale=True, reason=Reason.NONCE_EXPIRED)
        if not nonces.remembers:
            return None
        # Who, with which secret and cnonce, and how: H(A1) is made of all but the qop.
        remembered = digest.h(proved.h_a1 + response.qop)
        if not self._subsequent:
            nonces.remember(nonce, remembered)
            self._just_remembered = nonce
        # Only what was right in all else is counted: who is wrong can't make others' counts wrong.  Section 2.2.2
        elif not nonces.advance(nonce, response.nonce_count, remembered):
            another = nonces.due(nonce) == response.nonce_count  # ... user's, cnonce's or qop's
            return self._challenge(reason=Reason.NONCE_REPLAYED if another else Reason.NONCE_COUNT)
        return None

    def _accept(self, response: DigestResponse, proved: "_Proved") -> Success:
        # Section 2.1.3: the server proves itself with the same digest over its own A2.
        rspauth = digest.response_value(proved.keyed, digest.a2_of_server(response.digest_uri, response.qop))
        layer = None
        if response.qop is not QOP.AUTH:
            layer = server_layer(
                proved.h_a1,
                response.qop,
                response.cipher,
                peer_maxbuf=response.maxbuf,
                limit=self._terms.buffer_limit,
            )
        return Success(
            proved.username,
            response.realm or "",
            response.authzid,
            response.qop,
            b"rspauth=" + rspauth,
            layer,
            reading=proved.reading,
        )

    def _refuse(self, reason: Reason) -> Challenge | Failure:
        # An initial response that is wrong gets a challenge too.  Section 2.2.2
        return self._challenge(reason=reason) if self._subsequent else Failure(reason)

    def _challenge(self, *, stale: bool = False, reason: Reason | None = None, detail: str = "") -> Challenge:
        self._state = _State.CHALLENGED
        self._subsequent = False
        self._refusal = None
        self._nonce = self._nonces.issue()
        terms = self._terms
        data = terms.head + self._nonce + (terms.tail_when_stale if stale else terms.tail)
        return Challenge(data, stale, reason, detail)

    def _ask(self, response: DigestResponse) -> Lookup:
        realms = self._terms.realms
        # A realm that is not served here ends as an unknown user does, after the same work.
        if realms is not None and (response.realm or "").lower() not in realms:
            self._refusal = Reason.REALM
        self._state = _State.ASKED
        return Lookup(response.username, response.realm or "", response.authzid, response.other_username)

    def _unacceptable(self, response: DigestResponse) -> Reason | None:
        """What the terms have against a response, whoever sent it."""
        terms = self._terms
        # The qop is one of those offered.  Section 2.1.2, qop
        if response.qop not in terms.qop:
            return Reason.QOP
        # The cipher, likewise.  Section 2.1.2, cipher
        if response.cipher is not None and (
            response.cipher not in terms.ciphers or response.maxbuf < least_maxbuf(response.cipher)
        ):
            return Reason.CIPHER
        if not _names_us(terms, response.digest_uri):
            return Reason.DIGEST_URI
        if (self._channel_binding or terms.binding_required) and not self._is_bound(response):
            return Reason.CHANNEL_BINDING
        return None

    def _is_bound(self, response: DigestResponse) -> bool:
        terms = self._terms
        # A client that knows nothing of bindings says nothing of them, and need not unless they are required.
        bound = response.bound
        if bound is None and not response.cnonce.startswith(UPGRADED):
            return not terms.binding_required
        return (
            bound is not None
            and binding.is_bound(response)
            and _names_us(terms, bound.service_name or b"")
            and hmac.compare_digest(bound.channel_binding or b"", self._channel_binding or binding.NO_CHANNEL)
        )


@dataclass(slots=True, repr=False)  # it holds the session's key; and not frozen, which costs as much as a hash
class _Proved:
    """What a right response was made with."""

    username: str
    h_a1: bytes
    keyed: bytes
    reading: str | None
    tried: int  # secrets, this one too


def _matching(username: str, offered: tuple[bytes, ...], response: DigestResponse) -> _Proved | None:
    """What gives this response, of the secrets offered for a name, or None."""
    authzid = None if response.authzid is None else response.authzid.encode()
    a2 = digest.a2_of_client(response.digest_uri, response.qop)
    for tried, secret in enumerate(offered, 1):
        h_a1 = digest.h(digest.a1(secret, nonce=response.nonce, cnonce=response.cnonce, authzid=authzid))
        keyed = digest.keyed(
            h_a1,
            nonce=response.nonce,
            nonce_count=response.nonce_count,
            cnonce=response.cnonce,
            qop=response.qop,
        )
        if hmac.compare_digest(digest.response_value(keyed, a2), response.response):
            reading = secret.reading if isinstance(secret, ReadSecret) else None
            return _Proved(username, h_a1, keyed, reading, tried)
    return None


def _make_up(readings: int, response: DigestResponse) -> None:
    """Do the work of so many more readings: a failure costs the same, whatever an account holds or whether it is."""
    username = response.username
    for _ in range(readings):
        _matching(username, (digest.secret(username.encode(), b"", b""),), response)


def _names_us(terms: _Terms, digest_uri: bytes) -> bool:
    # digest-uri-value = serv-type "/" host [ "/" serv-name ]; servers should check that it names them.
    # Section 2.1.2, digest-uri
    serv_type, _, rest = digest_uri.decode("utf-8", "replace").partition("/")
    host, _, serv_name = rest.partition("/")
    if terms.service is not None and serv_type.lower() != terms.service:
        return False
    if terms.hosts is None:
        return True
    if _host(host) not in terms.hosts:
        return False
    # serv-name is sent for a replicated service, and is then its name: a host's or the realm's.
    return not serv_name or _host(serv_name) in terms.hosts or serv_name.lower() in terms.serv_names


def _host(name: str) -> str:
    return name.lower().rstrip(".").strip("[]")


def _around_nonce(challenge: DigestChallenge) -> tuple[bytes, bytes]:
    """The octets of a challenge before and behind those of its nonce, which is empty here."""
    head, due, tail = challenge.encode().partition(b'nonce="')
    return head + due, tail


class _Next(DigestServer):
    """A server under the terms of another, which has them ready."""

    def __init__(self, terms: _Terms, nonces: Nonces, channel_binding: bytes | None) -> None:
        self._terms = terms
        self._nonces = nonces
        self._begin(channel_binding)
