"""The explanation of one exchange: what was found, in words, and every value on the way."""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sasl_digest.credentials import HA1, Password
from sasl_digest.explaining.departures import NO_HINTS, Departure, Hints, shown
from sasl_digest.explaining.exchange import Exchange
from sasl_digest.explaining.formula import METHOD, NO_BODY, Inputs, Session, steps
from sasl_digest.explaining.rules import BrokenRule, broken_rules
from sasl_digest.explaining.search import DEPTH, Base, Reading, Searched, search
from sasl_digest.wdigest import WDigest, forms, unpack

Known = Password | HA1 | WDigest

MASKED = "(not shown: as good as the password)"
_DIGITS = re.compile(rb"[0-9a-f]{32}")


class Verdict(enum.Enum):
    """What came of the search."""

    MATCH = "match"
    """The digest is RFC 2831's of this secret: name, realm and password are right."""
    READING = "reading"
    """Exactly one way to make it is known, and it is not RFC 2831's."""
    SEVERAL = "several"
    """More than one is known, and nothing tells which it was."""
    NONE = "none"
    """None is known: most likely the secret is another."""
    NOT_TRIED = "not-tried"
    """There is nothing to compute: no secret was given, or no digest sent."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value on the way: what it is called, how it is made, and what it is, None where that is kept to itself."""

    name: str
    formula: str
    value: str | None

    def __str__(self) -> str:
        return MASKED if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """About one digest: the client's `response`, or the server's `rspauth`."""

    verdict: Verdict
    headline: str
    readings: tuple[Reading, ...] = ()
    values: tuple[Value, ...] = ()
    sent: str = ""
    tried: int = 0
    whole: bool = True  # whether all was tried that was to be


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said of an exchange. `untried` are kinds of readings for which more would have to be known."""

    response: Finding
    rspauth: Finding | None
    broken: tuple[BrokenRule, ...]
    untried: tuple[str, ...] = ()

    @property
    def grave(self) -> tuple[BrokenRule, ...]:
        """What a server may refuse for, whatever the digest is."""
        return tuple(each for each in self.broken if each.grave)

    @property
    def right(self) -> bool:
        """Whether nothing is wrong with it: the digests are right, as far as they were sent, and so is all else."""
        proved = self.rspauth is None or self.rspauth.verdict is Verdict.MATCH
        return self.response.verdict is Verdict.MATCH and proved and not self.grave

    @property
    def headline(self) -> str:
        """The one sentence to read."""
        response, rspauth = self.response, self.rspauth
        if response.verdict is Verdict.NOT_TRIED and self.grave:
            return f"The exchange breaks a rule: {self.grave[0]}."
        if response.verdict is Verdict.MATCH:
            if self.grave:
                return f"The response is right for this secret, but {self.grave[0]}."
            if rspauth is not None and rspauth.verdict is not Verdict.MATCH:
                return f"The response is right. {rspauth.headline}"
        return response.headline


def explain(
    exchange: Exchange,
    known: Known | Sequence[Known] = (),
    *,
    hints: Hints = NO_HINTS,
    service: str | None = "ldap",
    show_hashes: bool = False,
    depth: int = DEPTH,
) -> Explanation:
    """Why the digests of `exchange` are right or wrong for what is `known` of the account: any of several secrets.

    `hints` are other names to try, `service` is the serv-type due in digest-uri. The password is in no part of the
    result; hashes that are as good as it are, with `show_hashes`. At most `depth` departures from RFC 2831 are taken
    together. The search takes some 50 ms with two, and is bounded.
    """
    secrets = [known] if isinstance(known, Password | HA1 | WDigest) else list(known)
    broken = broken_rules(exchange, hints, service)
    untried = _untried(secrets)
    empty = _inputs(exchange)
    sent = (exchange.value("response") or b"").lower()
    if empty is None or not _DIGITS.fullmatch(sent) or not secrets:
        return Explanation(_not_tried(empty, secrets), None, broken, untried)
    bases = [base for secret in secrets for base in _bases(empty, secret)]
    searched = search(exchange, bases, sent, hints, depth)
    response = _finding("client", sent, searched, bases, show_hashes, stored=_is_stored(secrets))
    rspauth = None
    if exchange.proof is not None:
        # The server may have understood the client all the same: then its proof is made as the response was.
        made = [Base(each.inputs, each.departures) for each in searched.readings if each.departures]
        ends = [replace(each, inputs=replace(each.inputs, method=b"")) for each in (*bases, *made)]
        found = search(exchange, ends, exchange.proof, hints, depth)
        rspauth = _finding("server", exchange.proof, found, ends, show_hashes, stored=_is_stored(secrets))
    return Explanation(response, rspauth, broken, untried)


def _is_stored(secrets: Sequence[Known]) -> bool:
    return not any(isinstance(each, Password) for each in secrets)


def _inputs(exchange: Exchange) -> Inputs | None:
    """What RFC 2831 has for this response, without its secret; None where it says too little."""
    username, nonce, uri = exchange.text("username"), exchange.value("nonce"), exchange.digest_uri
    if username is None or nonce is None or uri is None:
        return None
    qop = exchange.value("qop")
    qop = b"auth" if qop is None else qop.lower()
    cnonce, nonce_count = exchange.value("cnonce"), exchange.value("nc")
    return Inputs(
        username=username,
        # A missing realm is an empty one.  RFC 2831 section 2.1.2, realm
        realm=exchange.text("realm") or "",
        password=None,
        secret=None,
        nonce=nonce,
        cnonce=cnonce or b"",
        nonce_count=b"00000001" if nonce_count is None else nonce_count,
        qop=qop,
        digest_uri=uri,
        authzid=exchange.value("authzid"),
        body=b"" if qop == b"auth" else NO_BODY,
        method=METHOD,
    )


def _bases(inputs: Inputs, secret: Known) -> list[Base]:
    if isinstance(secret, Password):
        return [Base(replace(inputs, password=secret.password))]
    if isinstance(secret, HA1):
        pair = secret.username, secret.realm
        return [Base(replace(inputs, secret=secret.secret), _of_other_names(inputs, *pair, "the HA1"))]
    pairs = forms(secret.sam_account_name, secret.user_principal_name, secret.netbios, secret.dns)
    return [
        Base(replace(inputs, secret=stored), _of_other_names(inputs, *pair, f"hash {number} of 29"))
        for blob in secret.blobs
        for number, (pair, stored) in enumerate(zip(pairs, unpack(blob), strict=True), 1)
    ]


def _of_other_names(inputs: Inputs, username: str | None, realm: str | None, what: str) -> tuple[Departure, ...]:
    """That a stored hash is of other names than were sent; None is any."""
    if username in (None, inputs.username) and realm in (None, inputs.realm):
        return ()
    words = []
    if username not in (None, inputs.username):
        words.append(f"the name {shown(username or '')} in place of {shown(inputs.username)}")
    if realm not in (None, inputs.realm):
        words.append(f"the realm {shown(realm or '')} in place of {shown(inputs.realm or '')}")
    return (Departure("names", " and ".join(words), (f"that is what {what} is made of",), ()),)


def _untried(secrets: Sequence[Known]) -> tuple[str, ...]:
    if not secrets or not _is_stored(secrets):
        return ()
    return (
        "other names, realms, character sets and forms of the password: a hash stands for one of each",
        "user:realm:password itself in A1",
    )


def _not_tried(inputs: Inputs | None, secrets: Sequence[Known]) -> Finding:
    words = (
        "There is no response that could be computed again."
        if inputs is None or secrets
        else "No password was given: only what needs none was looked at."
    )
    values = () if inputs is None else _values(inputs, "response", show_hashes=False)
    return Finding(Verdict.NOT_TRIED, words, values=values)


def _finding(
    who: str, sent: bytes, searched: Searched, bases: Sequence[Base], show_hashes: bool, *, stored: bool
) -> Finding:
    verdict, headline = _said(who, searched, stored)
    # A hash of other names than were sent proves nothing about the password, right or wrong.
    if verdict is Verdict.NONE and stored and all(each.departures for each in bases):
        headline = "No stored hash is of the names that were sent: whether the password is right cannot be told."
    readings = searched.readings
    right = [each.inputs for each in readings if not each.departures]
    inputs = right[0] if right else bases[0].inputs
    values = _values(inputs, "response" if who == "client" else "rspauth", show_hashes=show_hashes)
    return Finding(
        verdict, headline, readings, values, sent.decode(errors="backslashreplace"), searched.tried, searched.whole
    )


def _said(who: str, searched: Searched, stored: bool) -> tuple[Verdict, str]:
    readings = searched.readings
    digest = "response" if who == "client" else "rspauth"
    secret = "stored hash" if stored else "password"
    if not readings:
        most = "" if searched.whole else " The search was broken off."
        other = "it is of another name, realm or password" if stored else f"the {secret} is another"
        if who == "server":
            other = f"the server did not have this {secret}, or its answer was altered"
        return Verdict.NONE, (
            f"With this {secret} nothing that is known here gives the {digest}: most likely {other}.{most}"
        )
    if not readings[0].departures:
        return Verdict.MATCH, f"The {digest} is what RFC 2831 has for these names and this {secret}: they are right."
    if len(readings) == 1:
        return Verdict.READING, f"The {who} hashed {readings[0].words}."
    either = "; or ".join(each.words for each in readings)
    return Verdict.SEVERAL, f"The {who} hashed one of these, and nothing here tells which: {either}."


def values_of(reading: Reading, digest: str, *, show_hashes: bool = False) -> tuple[Value, ...]:
    """Every value on the way to `digest`, `response` or `rspauth`, in this reading."""
    return _values(reading.inputs, digest, show_hashes=show_hashes)


def _values(inputs: Inputs, digest: str, *, show_hashes: bool) -> tuple[Value, ...]:
    """The values in the order they are computed in."""
    made = steps(inputs)
    secretive = inputs.password is not None or inputs.secret is not None

    def hidden(value: bytes) -> str | None:
        return value.hex() if show_hashes else None

    realm = "" if inputs.realm is None else f"{_text(inputs.realm)}:"
    head = f"{_text(inputs.username)}:{realm}(password)"
    tail = "" if inputs.authzid is None else f":{_text(inputs.authzid)}"
    nonces = f"{_text(inputs.nonce)}:{_text(inputs.cnonce)}{tail}"
    a1 = {Session.PLAIN: f"{head}:{nonces}", Session.NONE: head}.get(inputs.session, f"(secret):{nonces}")
    named = [Value("names", "user:realm:password", head)]
    if secretive:
        named.append(Value("secret", "H(user:realm:password)", hidden(made.secret)))
    named.append(Value("A1", "secret:nonce:cnonce[:authzid]", a1))
    if secretive:
        named.append(Value("H(A1)", "MD5 of A1", hidden(made.h_a1)))
    named += [
        Value("A2", "AUTHENTICATE:digest-uri[:zeros]" if inputs.method else ":digest-uri[:zeros]", _text(made.a2)),
        Value("H(A2)", "MD5 of A2", made.h_a2.hex()),
        Value("KD", "HEX(H(A1)):nonce:nc:cnonce:qop:HEX(H(A2))", f"(H(A1)){_text(made.kd)}"),
    ]
    if secretive:
        named.append(Value(digest, "MD5 of KD", made.digest.decode()))
    return tuple(named)


def _text(value: str | bytes) -> str:
    return shown(value, most=400)[1:-1]
