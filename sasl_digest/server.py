"""The server's side of one exchange: challenge, question, verdict (RFC 2831 sections 2.1.1 to 2.1.3 and 2.2).

step(b"")  -> Challenge          then   step(digest_response) -> Lookup | Failure
verify(credential) -> Success | Failure, or a Challenge with stale=true when only the nonce had expired

step(digest_response) at once, from a client that was here before, -> Lookup, or a Challenge when it will not do
"""

import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from sasl_digest import channel_binding as binding
from sasl_digest import digest
from sasl_digest.credentials import READINGS, Credential, Password, reading_of
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
    read_response,
)
from sasl_digest.nonce_book import NonceBook
from sasl_digest.nonces import MAX_NONCE, UPGRADED, Nonces, NonceState
from sasl_digest.outcomes import Challenge, Failure, Lookup, Reason, Success
from sasl_digest.proving import Proof, Proved, make_up, matching
from sasl_digest.terms import Terms, around_nonce, canonical
from sasl_digest.values import made

# Stands in for the credential of a user that is not there, so that the answer costs what a wrong password costs.
_NOBODY: Final = Password(secrets.token_hex(16))


_equal: Final = hmac.compare_digest

# Where an exchange is. Numbers, for a member of an enum takes as long to look up as a small function to call.
_START: Final = 0
_CHALLENGED: Final = 1
_ASKED: Final = 2
_OVER: Final = 3
_DUE: Final = (
    "step() with the initial response, empty the first time",
    "step() with the digest-response",
    "verify() with what is known of the user",
    "nothing",
)
_AUTH: Final = QOP.AUTH


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
    _nonce: bytes
    _place: tuple[bytes, bytes]  # HEX(H(A2)) of the response and of rspauth
    _proof: Proof
    __slots__ = (
        "_channel_binding",
        "_just_remembered",
        "_nonce",
        "_place",
        "_proof",
        "_refusal",
        "_spared",
        "_state",
        "_subsequent",
        "_terms",
        "response",
    )

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
            _refuse_one(name, names)
        if not qop or not _are_all(QOP, qop):
            raise UsageError("qop: at least one QOP must be offered")
        if not _are_all(Cipher, ciphers):
            raise UsageError("ciphers: Cipher is what they are")
        if QOP.AUTH_CONF in qop and not ciphers:
            raise UsageError("ciphers: at least one must be offered for auth-conf")
        if not MIN_MAXBUF <= maxbuf <= MAX_MAXBUF:
            raise UsageError(f"maxbuf: {maxbuf}; must be from {MIN_MAXBUF} to {MAX_MAXBUF}")
        offered = tuple(realms)
        accepted = frozenset(realm.lower() for realm in (*offered, *other_realms))
        challenge = DigestChallenge(
            nonce=b"",
            realms=offered,
            qop_options=tuple(qop),
            cipher_options=tuple(ciphers) if QOP.AUTH_CONF in qop else (),
            maxbuf=maxbuf,
            utf8=utf8,
        )
        head, tail = around_nonce(challenge)
        _, stale = around_nonce(replace(challenge, stale=True))
        if len(head) + MAX_NONCE + len(stale) >= MAX_CHALLENGE:
            raise UsageError(f"realms: too long for a digest-challenge, of fewer than {MAX_CHALLENGE} octets")
        self._terms = Terms(
            head=head,
            tail=tail,
            tail_when_stale=stale,
            service=None if service is None else service.lower(),
            hosts=None if hosts is None else frozenset(canonical(host) for host in hosts),
            serv_names=accepted,
            places={each: {} for each in qop},
            ciphers=frozenset(challenge.cipher_options),
            buffer_limit=maxbuf if buffer_limit is None else max(maxbuf, buffer_limit),
            realms=accepted or None,
            binding_required=binding_required,
            readings=readings,
            nonces=NonceBook() if nonces is None else nonces,
        )
        self._begin(channel_binding)

    def fresh(self, channel_binding: bytes | None = None) -> "DigestServer":
        """A server for the next exchange: the same terms, the same nonces, another channel; nothing else shared."""
        return _Next(self._terms, channel_binding)

    def _begin(self, channel_binding: bytes | None) -> None:
        self._state = _START
        self._channel_binding = channel_binding
        self._subsequent = False
        self._refusal: Reason | None = None
        self._spared = 0  # readings that a right response left untried
        self._just_remembered: bytes | None = None  # the nonce of a right response, its first
        self.response = None

    def step(self, data: bytes) -> Challenge | Lookup | Failure:
        """Take what the client sent and say what comes next. Raises UsageError when called out of turn."""
        outcome = self.take(data)
        if isinstance(outcome, bytes):
            return made(Challenge, (outcome, False, None, ""))
        if outcome is not None:
            return outcome
        response = self.response
        assert response is not None  # it is what the question is about
        return made(Lookup, (response.username, response.realm or "", response.authzid, response.other_username))

    def take(self, data: bytes) -> bytes | Challenge | Failure | None:
        """`step()` for a driver to whom making the values is much of its work: nearly every step does without.

        A challenge that has nothing to say but its octets is those, and None is the question who `response` is of.
        """
        state = self._state
        if state == _START:
            # A server without subsequent authentication answers an initial response with a challenge, and goes on as
            # if there had been none.  Section 2.2
            return self._begin_again(data) if data and self._terms.nonces.remembers else self._issue(self._terms.tail)
        if state == _CHALLENGED:
            self._state = _OVER
            self.response = None
            try:
                self.response = response = read_response(data)
            except MalformedMessage as cause:
                return Failure(Reason.MALFORMED, str(cause), cause)
            # The nonce is the one just sent.  Section 2.1.2, nonce
            if not _equal(response.nonce, self._nonce):
                foreign = self._terms.nonces.state(response.nonce) is NonceState.FOREIGN
                return Failure(Reason.NONCE_FOREIGN if foreign else Reason.NONCE_REPLAYED)
            # The nonce-count of a first authentication is 00000001.  Section 2.1.3
            if response.nonce_count != 1:
                return Failure(Reason.NONCE_COUNT)
            reason = self._unacceptable(response)
            if reason is not None:
                return Failure(reason)
            self._ask(response)
            return None
        raise UsageError(f"step() out of turn; due: {_DUE[state]}")

    def _begin_again(self, data: bytes) -> Challenge | None:
        """Take an initial response: a subsequent authentication, section 2.2.

        What will not do is answered with a challenge, as by a server that has forgotten: the client goes on as if it
        were its first time. Why it would not do is said to our caller only.
        """
        try:
            self.response = response = read_response(data)
        except MalformedMessage as cause:
            return self._challenge(reason=Reason.MALFORMED, detail=str(cause))
        nonces = self._terms.nonces
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
        self._ask(response)
        return None

    def verify(self, credential: Credential | None, readings: int | None = None) -> Success | Challenge | Failure:
        """Answer the Lookup: what is known of the user, or None for nobody, which costs the same time.

        `readings` is what the terms say unless it is given: accounts may change while a server lives.
        Raises UsageError when called out of turn.
        """
        verdict = self.prove(credential, readings)
        if not isinstance(verdict, Proved):
            return verdict
        response = self.response
        assert response is not None  # it is what was proved
        fields = (
            verdict.username,
            response.realm or "",
            response.authzid,
            response.qop,
            verdict.data,
            verdict.layer,
            verdict.reading,
            None,
        )
        return made(Success, fields)

    def prove(self, credential: Credential | None, readings: int | None = None) -> Proved | Challenge | Failure:
        """`verify()` for a driver that has called `take()`: of a success only what `response` does not say."""
        response = self.response
        if self._state != _ASKED or response is None:
            raise UsageError(f"verify() out of turn; due: {_DUE[self._state]}")
        self._state = _OVER
        realm, other = response.realm or "", response.other_username
        refusal = self._refusal
        if credential is None and refusal is None:
            refusal = Reason.UNKNOWN_USER
        known = _NOBODY if credential is None or refusal is not None else credential
        names = [response.username] if other is None else [response.username, other]
        due = (readings or self._terms.readings) * len(names)
        self._proof = proof = Proof(response, self._place[0])
        proved, usable = None, False
        username, reading = "", None
        for name in names:
            # Compiled code calls a method of a class that it knows without looking it up.
            offered = known.secrets(name, realm) if isinstance(known, Password) else tuple(known.secrets(name, realm))
            if offered:
                usable = True
            if proved is None:
                proved = matching(offered, proof)
                if proved is None:
                    due -= len(offered)
                else:
                    due -= proved[0] + 1  # those that were tried
                    username = name
                    if len(offered) > 1:
                        reading = reading_of(known, name, realm, proved[0])
        if not usable:
            refusal = Reason.NO_USABLE_SECRET
        if refusal is not None or proved is None:
            make_up(due, response.username, proof)
            return self._refuse(refusal or Reason.WRONG_PASSWORD)
        _, h_a1, keyed = proved
        self._spared = due
        challenge = self._counted(response, h_a1)
        if challenge is not None:
            return challenge
        layer = None
        if response.qop is not _AUTH:
            limit = self._terms.buffer_limit
            layer = server_layer(h_a1, response.qop, response.cipher, peer_maxbuf=response.maxbuf, limit=limit)
        # The proof is about as much as one reading, and the keys of a layer as another.
        self._spared = max(0, due - (1 if layer is None else 2))
        # Section 2.1.3: the server proves itself with the same digest over its own A2.
        return Proved(username, b"rspauth=" + digest.proof(keyed, self._place[1]), layer, reading)

    def make_up(self) -> None:
        """Do the work that a right response was spared, where its user is refused for all that.

        What keeps them out is then not told by the time it takes: a wrong response costs as much. Nor by the next
        step: its nonce is forgotten, for one that came with a wrong response is not remembered either.
        """
        nonce, self._just_remembered = self._just_remembered, None
        if nonce is not None:
            self._terms.nonces.forget(nonce)
        spared, self._spared = self._spared, 0
        if spared and self.response is not None:
            make_up(spared, self.response.username, self._proof)

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
        proof = Proof(response, digest.hexed(digest.h(digest.a2_of_client(response.digest_uri, response.qop))))
        found = False
        for name in names:
            offered = () if credential is None else tuple(credential.secrets(name, realm))
            due -= len(offered)
            for secret in offered:
                found |= matching((secret,), proof) is not None
        make_up(due, response.username, proof)
        return found

    def _counted(self, response: DigestResponse, h_a1: bytes) -> Challenge | None:
        """Count the nonce of a right response; the challenge that is due when it is too old, or not its turn."""
        nonces, nonce = self._terms.nonces, response.nonce
        # Only who knew the password is told that it was the nonce.  Section 2.1.1, stale
        if nonces.due(nonce) is None if self._subsequent else nonces.expired(nonce):
            return self._challenge(stale=True, reason=Reason.NONCE_EXPIRED)
        if not nonces.remembers:
            return None
        # Who, with which secret and cnonce, and how: H(A1) is made of all but the qop.
        remembered = digest.h(h_a1 + response.qop)
        if not self._subsequent:
            nonces.remember(nonce, remembered)
            self._just_remembered = nonce
        # Only what was right in all else is counted: who is wrong can't make others' counts wrong.  Section 2.2.2
        elif not nonces.advance(nonce, response.nonce_count, remembered):
            another = nonces.due(nonce) == response.nonce_count  # ... user's, cnonce's or qop's
            return self._challenge(reason=Reason.NONCE_REPLAYED if another else Reason.NONCE_COUNT)
        return None

    def _refuse(self, reason: Reason) -> Challenge | Failure:
        # An initial response that is wrong gets a challenge too.  Section 2.2.2
        return self._challenge(reason=reason) if self._subsequent else Failure(reason)

    def _challenge(self, *, stale: bool = False, reason: Reason, detail: str = "") -> Challenge:
        self._subsequent = False
        self._refusal = None
        data = self._issue(self._terms.tail_when_stale if stale else self._terms.tail)
        return made(Challenge, (data, stale, reason, detail))

    def _issue(self, tail: bytes) -> bytes:
        """The octets of a challenge, whose nonce the response is now due to have."""
        self._state = _CHALLENGED
        terms = self._terms
        self._nonce = nonce = terms.nonces.issue()
        return terms.head + nonce + tail

    def _ask(self, response: DigestResponse) -> None:
        realms, realm = self._terms.realms, response.realm or ""
        # A realm that is not served here ends as an unknown user does, after the same work.
        if realms is not None and realm not in realms and realm.lower() not in realms:
            self._refusal = Reason.REALM
        self._state = _ASKED

    def _unacceptable(self, response: DigestResponse) -> Reason | None:
        """What the terms have against a response, whoever sent it."""
        terms = self._terms
        # The qop is one of those offered.  Section 2.1.2, qop
        places = terms.places.get(response.qop)
        if places is None:
            return Reason.QOP
        # The cipher, likewise.  Section 2.1.2, cipher
        if response.cipher is not None and (
            response.cipher not in terms.ciphers or response.maxbuf < least_maxbuf(response.cipher)
        ):
            return Reason.CIPHER
        place = places.get(response.digest_uri) or terms.place(response)
        if place is None:
            return Reason.DIGEST_URI
        self._place = place
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
            and terms.names_us(bound.service_name or b"")
            and _equal(bound.channel_binding or b"", self._channel_binding or binding.NO_CHANNEL)
        )


def _refuse_one(name: str, names: object) -> None:
    if isinstance(names, str | bytes):
        raise UsageError(f"{name}: several names are due, in a list or the like, and not one {type(names).__name__}")


def _are_all(kind: type, things: Iterable[object]) -> bool:
    return all(isinstance(thing, kind) for thing in things)


class _Next(DigestServer):
    """What `fresh()` makes, of terms that are worked out already."""

    __slots__ = ()

    def __init__(self, terms: Terms, channel_binding: bytes | None) -> None:
        self._terms = terms
        self._begin(channel_binding)
