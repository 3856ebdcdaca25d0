"""What can go wrong on purpose: each fault is a frozen value that says what it does and where it may strike.

The operations it may strike on are in `places`; `default_on` is where it does when a rule does not say. With
`instead` what was asked is not carried out: a bind is then not judged.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ldapserver.wire.messages import ResultCode

REQUESTS = frozenset({"bind", "search", "compare", "add", "modify", "delete", "modify_dn", "extended"})
EXTENDED = {  # by the names that rules may give them
    "starttls": "1.3.6.1.4.1.1466.20037",
    "whoami": "1.3.6.1.4.1.4203.1.11.3",
    "password_modify": "1.3.6.1.4.1.4203.1.11.1",
}
ANY, CHALLENGE, CONNECT, TLS = "any", "challenge", "connect", "tls"
_ANSWERED = REQUESTS | frozenset(EXTENDED) | {ANY, CHALLENGE}
OPERATIONS = _ANSWERED | {CONNECT, TLS}

When = Literal["before", "done", "answered"]
Then = Literal["close", "reset", "silence", "go on"]


@dataclass(frozen=True)
class Action:
    """What a rule does when it strikes."""

    places: ClassVar[frozenset[str]] = _ANSWERED
    default_on: ClassVar[str | None] = None
    of_digest: ClassVar[bool] = False  # strikes in an exchange of DIGEST-MD5 only
    in_layer: ClassVar[bool] = False  # strikes where a security layer is in place

    @property
    def instead(self) -> bool:
        """Whether what was asked is not carried out."""
        return False

    def objection(self, on: str) -> str | None:
        """What stands against striking on this operation."""
        places = ", ".join(sorted(self.places))
        return None if on in self.places else f"{type(self).__name__} strikes on: {places}"


# Time


@dataclass(frozen=True)
class Delay(Action):
    """It is begun so many `seconds` later."""

    seconds: float
    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


@dataclass(frozen=True)
class Hold(Action):
    """It is begun when the test says so: `release()`."""

    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


# The end of the connection


@dataclass(frozen=True)
class Close(Action):
    """The connection ends (FIN): `before` it is carried out, when that is `done`, or when it is `answered` too."""

    when: When = "before"
    places: ClassVar[frozenset[str]] = _ANSWERED | {CONNECT}

    @property
    def instead(self) -> bool:
        """See `Action`."""
        return self.when == "before"

    def objection(self, on: str) -> str | None:
        """See `Action`."""
        if on in (CONNECT, "starttls") and self.when != "before":
            return f"{type(self).__name__}: when: must be 'before' on {on}"
        return super().objection(on)


@dataclass(frozen=True)
class Reset(Close):
    """The connection ends at once (RST): `before` it is carried out, or when that is `done`."""

    def objection(self, on: str) -> str | None:
        """See `Action`."""
        return "Reset: when: must be 'before' or 'done'" if self.when == "answered" else super().objection(on)


@dataclass(frozen=True)
class Notice(Close):
    """The Notice of Disconnection (RFC 4511 section 4.4.1), and the end of the connection."""

    result_code: ResultCode | int = ResultCode.UNAVAILABLE
    text: str = "the server is going down"


# Another answer, or none


@dataclass(frozen=True)
class NoAnswer(Action):
    """There is never an answer; on `connect`, to nothing at all."""

    carried_out: bool = False
    places: ClassVar[frozenset[str]] = _ANSWERED | {CONNECT}

    @property
    def instead(self) -> bool:
        """See `Action`."""
        return not self.carried_out

    def objection(self, on: str) -> str | None:
        """See `Action`."""
        if on in (CONNECT, "starttls") and self.carried_out:
            return f"NoAnswer: carried_out: not on {on}"
        return super().objection(on)


@dataclass(frozen=True)
class Result(Action):
    """This result. With `carried_out` what was asked is done for all that, and entries found are sent before it."""

    result_code: ResultCode | int
    text: str = ""
    matched_dn: str = ""
    referral: tuple[str, ...] = ()
    carried_out: bool = False

    @property
    def instead(self) -> bool:
        """See `Action`."""
        return not self.carried_out

    def objection(self, on: str) -> str | None:
        """See `Action`."""
        # A bind that succeeded here and failed there would leave both ends with another idea of who is who.
        if self.carried_out and on in ("bind", CHALLENGE, "starttls", ANY):
            return f"{type(self).__name__}: carried_out: not on {on}"
        return super().objection(on)


class Busy(Result):
    """Result 51, busy."""

    def __init__(self, text: str = "the server is busy") -> None:
        super().__init__(ResultCode.BUSY, text)


class Unavailable(Result):
    """Result 52, unavailable."""

    def __init__(self, text: str = "the server is not available") -> None:
        super().__init__(ResultCode.UNAVAILABLE, text)


class Referral(Result):
    """Result 10, referral, with these URLs."""

    def __init__(self, *urls: str) -> None:
        if not urls:
            raise ValueError("Referral: at least one URL is due (RFC 4511 section 4.1.10)")
        super().__init__(ResultCode.REFERRAL, referral=urls)


# Octets that are wrong


@dataclass(frozen=True)
class HalfAnswer(Action):
    """The first half of the answer's first message, or so many `octets` of it, and no more."""

    octets: int | None = None
    then: Then = "close"
    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}

    def objection(self, on: str) -> str | None:
        """See `Action`."""
        if self.then == "go on":
            return "HalfAnswer: then: must be 'close', 'reset' or 'silence': nothing can follow half a message"
        return super().objection(on)


@dataclass(frozen=True)
class BrokenBER(Action):
    """The answer's first message with a `length` that leads beyond it, the `tag` of a SET, or `indefinite` length."""

    what: Literal["length", "tag", "indefinite"] = "length"
    then: Then = "go on"
    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


@dataclass(frozen=True)
class Garbage(Action):
    """These octets in place of the answer."""

    data: bytes = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    then: Then = "close"
    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


@dataclass(frozen=True)
class OtherMessageID(Action):
    """The answer, to a message with an ID that is greater `by` so many."""

    by: int = 1000
    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


@dataclass(frozen=True)
class DuplicateAnswer(Action):
    """The last message of the answer, twice."""

    places: ClassVar[frozenset[str]] = _ANSWERED - {"starttls"}


# DIGEST-MD5 (RFC 2831)


@dataclass(frozen=True)
class WrongRspauth(Action):
    """Success, with another proof than the one that is due."""

    places: ClassVar[frozenset[str]] = frozenset({"bind"})
    default_on: ClassVar[str | None] = "bind"
    of_digest: ClassVar[bool] = True


@dataclass(frozen=True)
class NoRspauth(WrongRspauth):
    """Success, without a proof."""


@dataclass(frozen=True)
class StaleNonce(WrongRspauth):
    """The response is not looked at: a new challenge follows, with stale=true."""

    @property
    def instead(self) -> bool:
        """See `Action`."""
        return True


@dataclass(frozen=True)
class RepeatedNonce(Action):
    """A challenge with the nonce of the challenge before it; the first of a server has none to repeat."""

    places: ClassVar[frozenset[str]] = frozenset({CHALLENGE})
    default_on: ClassVar[str | None] = CHALLENGE
    of_digest: ClassVar[bool] = True


@dataclass(frozen=True)
class Directives(Action):
    """The challenge without the directives named, and at its end those of `added`, as they are to be written."""

    without: tuple[str, ...] = ()
    added: tuple[tuple[str, str], ...] = ()
    places: ClassVar[frozenset[str]] = frozenset({CHALLENGE})
    default_on: ClassVar[str | None] = CHALLENGE
    of_digest: ClassVar[bool] = True


class QopDowngrade(Directives):
    """A challenge that offers these qops only."""

    def __init__(self, *qop: str) -> None:
        offered = qop or ("auth",)
        without = ("qop",) if "auth-conf" in offered else ("qop", "cipher")
        super().__init__(without, (("qop", _quoted(",".join(offered))),))


class NoRealm(Directives):
    """A challenge without a realm."""

    def __init__(self) -> None:
        super().__init__(("realm",))


class TwoRealms(Directives):
    """A challenge that offers this realm too, behind our own."""

    def __init__(self, other: str = "elsewhere.example") -> None:
        super().__init__((), (("realm", _quoted(other)),))


class NoAlgorithm(Directives):
    """A challenge without `algorithm=md5-sess`, which many clients demand."""

    def __init__(self) -> None:
        super().__init__(("algorithm",))


class SmallMaxbuf(Directives):
    """A challenge that takes buffers of so many octets only: 16 hold nothing, 17 is the least there is."""

    def __init__(self, octets: int = 16) -> None:
        super().__init__(("maxbuf",), (("maxbuf", str(octets)),))


@dataclass(frozen=True)
class TamperedLayer(Action):
    """One octet of the buffer that the answer leaves in is changed."""

    in_layer: ClassVar[bool] = True


@dataclass(frozen=True)
class WrongSequenceNumber(Action):
    """The buffer that the answer leaves in is signed under the number behind the one due, as if one were lost."""

    in_layer: ClassVar[bool] = True


# TLS


@dataclass(frozen=True)
class _OfHandshake(Action):
    places: ClassVar[frozenset[str]] = frozenset({TLS})
    default_on: ClassVar[str | None] = TLS


@dataclass(frozen=True)
class ShowCertificate(_OfHandshake):
    """The handshake shows this `chain` (PEM, the server's own first), which `key` (PEM) belongs to."""

    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class StalledHandshake(_OfHandshake):
    """Nothing is said to who begins a handshake, until one end gives up."""


@dataclass(frozen=True)
class BrokenHandshake(_OfHandshake):
    """The client's first message is answered with a fatal `alert`, or None, and the end; 40 is handshake_failure."""

    alert: int | None = 40
    reset: bool = False


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
