"""What must hold for any octets: one function for each thing that reads what others wrote.

A target takes octets and returns; what it raises is a finding. The fuzzer (fuzz_engine.py) looks for octets that do,
and test_regressions.py plays all that are known through these very functions.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ldapserver.errors import InvalidRequest, ProtocolViolation
from ldapserver.wire import codec
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import LDAPMessage
from sasl_digest import (
    QOP,
    BrokenLayer,
    Challenge,
    Cipher,
    DigestChallenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    MalformedMessage,
    NonceBook,
    Password,
    Remembered,
    Response,
    ResponseAuth,
    Success,
    UsageError,
    WDigest,
    read_htdigest,
    user_properties,
    wdigest,
)
from sasl_digest.channel_binding import NO_CHANNEL
from sasl_digest.grammar import join, quoted, split
from sasl_digest.layers import IntegrityLayer, client_layer, server_layer

Parsed = TypeVar("Parsed")

NONCE = NonceBook(clock=lambda: 0.0, token=bytes).issue()  # that of every exchange here, so that seeds can name it
_UNKNOWN = Password("what no input can have been made with: 3f7c0d5a")
_REALMS = ("example.org", "zwö")
_HOST = "ldap.example.org"
_KINDS = [(QOP.AUTH_INT, None), *((QOP.AUTH_CONF, cipher) for cipher in Cipher)]
LIMIT = 1024  # octets, of a buffer of a layer here


class Finding(AssertionError):
    """What had to hold does not."""


def must(holds: bool, what: str) -> None:
    """Not `assert`, which an optimised run leaves out."""
    if not holds:
        raise Finding(what)


def messages(data: bytes) -> None:
    """A digest message is a value, which is written as a message that reads the same, or is MalformedMessage."""
    directives = _parsed(lambda: split("digest-challenge", data))
    if directives is not None:
        written = join([(name, quoted(value)) for name, value in directives])
        again = _parsed(lambda: split("digest-challenge", written))
        must(again == directives, "the directives written again read otherwise")
    challenge = _parsed(lambda: DigestChallenge.parse(data))
    if challenge is not None:
        _reads_again(challenge)
    response = _parsed(lambda: DigestResponse.parse(data))
    if response is not None:
        _reads_again(response)
    proof = _parsed(lambda: ResponseAuth.parse(data))
    if proof is not None:
        must(ResponseAuth.parse(proof.encode()) == proof, "the proof written again reads otherwise")


def _parsed(parse: Callable[[], Parsed]) -> Parsed | None:
    try:
        return parse()
    except MalformedMessage:
        return None


def _reads_again(message: DigestChallenge | DigestResponse) -> None:
    names = message.realms if isinstance(message, DigestChallenge) else (message.username, message.realm or "")
    if not message.utf8 and not all(name.isascii() for name in names):
        return  # what came in UTF-8 without charset=utf-8 is taken, and not written so
    if isinstance(message, DigestChallenge) and QOP.AUTH_CONF in message.qop_options and not message.cipher_options:
        return  # it names no cipher that we know, and no challenge of ours would
    try:
        written = message.encode()
    except UsageError as error:
        must("fewer than" in str(error), f"cannot be written again: {error}")  # a quote takes two octets
        return
    must(_parsed(lambda: type(message).parse(written)) == message, "written again it reads otherwise")


def server(data: bytes) -> None:
    """No initial response and no digest-response makes the server believe who does not know the secret."""
    for remembered_for in (0.0, 60.0):
        nonces = NonceBook(clock=lambda: 0.0, token=bytes, remembered_for=remembered_for)
        made = DigestServer(
            realms=_REALMS,
            service="ldap",
            hosts=[_HOST],
            qop=tuple(QOP),
            ciphers=tuple(Cipher),
            nonces=nonces,
            channel_binding=NO_CHANNEL,
        )
        if remembered_for:
            nonces.remember(NONCE, bytes(16))  # it has authenticated somebody: nonce-count 2 is due
        for octets in (data, b""):
            exchange = made.fresh(NO_CHANNEL)
            outcome = exchange.step(octets)
            if isinstance(outcome, Challenge):
                must(len(outcome.data) < 2048, "the challenge is too long")
                outcome = exchange.step(data)
            must(isinstance(outcome, Lookup | Failure), f"a response ends in {type(outcome).__name__}")
            if isinstance(outcome, Lookup):
                must(not isinstance(exchange.verify(_UNKNOWN), Success), "a response that nobody made is believed")
        must(nonces.due(NONCE) == (2 if remembered_for else None), "a response that nobody made was counted")


def client(data: bytes) -> None:
    """No challenge makes the client raise, and no response-auth makes it believe who cannot know the secret.

    The two stand behind each other, with two line feeds between them.
    """
    challenge, _, proof = data.partition(b"\n\n")
    for qop in ((QOP.AUTH,), (QOP.AUTH_CONF, QOP.AUTH_INT, QOP.AUTH)):
        exchange = DigestClient(
            "jürgen",
            _UNKNOWN,
            service="ldap",
            host=_HOST,
            authzid="u:bob",
            qop=qop,
            ciphers=tuple(Cipher),
            cnonce=lambda: b"cn0nce",
        )
        outcome = exchange.step(challenge)
        must(isinstance(outcome, Response | Failure), f"a challenge ends in {type(outcome).__name__}")
        if isinstance(outcome, Response):
            must(len(outcome.data) < 4096, "the response is too long")
            said = DigestResponse.parse(outcome.data)
            must((said.username, said.authzid) == ("jürgen", "u:bob"), "the response says who we are not")
            must(said.qop in qop, "the response has a qop that was not asked for")
            must(not isinstance(exchange.step(proof), Success), "a server that knows nothing is believed")
    again = DigestClient("jürgen", _UNKNOWN, service="ldap", host=_HOST, remembered=_REMEMBERED)
    must(again.initial_response() is not None, "what is remembered is not used")
    outcome = again.step(challenge)
    must(not isinstance(outcome, Success), "a server that knows nothing is believed at once")
    if isinstance(outcome, Response):
        must(not isinstance(again.step(proof), Success), "a server that has forgotten is believed")


_REMEMBERED = Remembered(
    username="jürgen",
    realm="example.org",
    digest_uri=f"ldap/{_HOST}".encode(),
    challenge=DigestChallenge(NONCE, ("example.org",)),
    cnonce=b"cn0nce",
    nonce_count=1,
    qop=QOP.AUTH,
    cipher=None,
)


def layer(data: bytes) -> None:
    """Whatever is among them, what a layer gives out is what the peer wrapped, from the first octet on.

    The octets are a program for who sits in the middle: which layer, how much is passed on at a time, and then what
    passes. 00nnnnnn are n octets of its own, 01nnnnnn a message of n octets that the peer wraps, 10nnnnnn the peer's
    nth buffer once more, 11nnnnnn one that it holds back.
    """
    if len(data) < 2:
        return
    qop, cipher = _KINDS[data[0] % len(_KINDS)]
    peer = client_layer(bytes(16), qop, cipher, peer_maxbuf=LIMIT, limit=LIMIT)
    ours = server_layer(bytes(16), qop, cipher, peer_maxbuf=LIMIT, limit=LIMIT)
    if peer is None or not isinstance(ours, IntegrityLayer):
        raise Finding("there is no layer")
    wrapped: list[bytes] = []
    honest, stream = bytearray(), bytearray()
    at = 2
    while at < len(data):
        what, number = data[at] >> 6, data[at] & 0x3F
        at += 1
        if what == 0:
            stream += data[at : at + number]
            at += number
        elif what == 2:
            stream += wrapped[number % len(wrapped)] if wrapped else b""
        else:
            message = bytes(range(number))
            wrapped.append(peer.wrap(message))
            honest += message
            stream += wrapped[-1] if what == 1 else b""
    given_out = b""
    step = 1 + data[1]
    with suppress(BrokenLayer):
        for start in range(0, len(stream), step):
            given_out += ours.receive(bytes(stream[start : start + step]))
            must(len(ours._held) < 4 + LIMIT, "it holds more than a buffer")
    must(honest.startswith(given_out), "it gives out what the peer did not wrap, or not in its place")


def readers(data: bytes) -> None:
    """What was stored by others is a value, which is written as it reads, or is a UsageError."""
    for properties in _read(lambda: user_properties.parse(data)):
        must(user_properties.parse(user_properties.encode(properties)) == properties, "the properties read otherwise")
    for blob in _blobs(data):
        must(wdigest.pack(wdigest.unpack(blob)) == _with_our_head(blob), "the hashes read otherwise")
        must(
            wdigest.from_supplemental_credentials(wdigest.to_supplemental_credentials(blob)) == blob,
            "the blob reads otherwise",
        )
        must(
            len(tuple(WDigest((blob,), "u1", None, "CONTOSO", "contoso.com").secrets("u1", "CONTOSO"))) == 1, "hash 1"
        )
    for found in _read(lambda: read_htdigest(data.decode("utf-8", "replace"))):
        # A name may begin like a comment or another line of the file, or hold a line's end; those it cannot write.
        plain = {names: ha1 for names, ha1 in found.items() if all(map(str.isalnum, names))}
        text = "".join(f"{user}:{realm}:{ha1.secret.hex()}\n" for (user, realm), ha1 in plain.items())
        must(read_htdigest(text) == plain, "the lines read otherwise")


def _read(read: Callable[[], Parsed]) -> list[Parsed]:
    """What `read` gives, or nothing where it is a UsageError."""
    try:
        return [read()]
    except UsageError:
        return []


def _blobs(data: bytes) -> list[bytes]:
    """The WDIGEST_CREDENTIALS that the octets are or hold."""
    held = _read(lambda: wdigest.from_supplemental_credentials(data))
    return [data for _ in _read(lambda: wdigest.unpack(data))] + [blob for blob in held if blob is not None]


def _with_our_head(blob: bytes) -> bytes:
    return wdigest.pack([bytes(16)] * 29)[:16] + blob[16:]


def wire(data: bytes) -> None:
    """A stream of LDAP messages is values, each written as a message that reads the same, up to where it is wrong."""
    if not data:
        return
    framer = Framer(4096)
    step = 1 + data[0]
    with suppress(ProtocolViolation):
        for start in range(1, len(data), step):
            framer.feed(data[start : start + step])
            while (element := framer.next()) is not None:
                try:
                    message = codec.decode(element)
                except InvalidRequest:
                    continue
                _written_again(message)
            must(framer.pending < 4096, "it holds more than a message")


def _written_again(message: LDAPMessage) -> None:
    try:
        again = codec.decode(codec.encode(message))
    except (ProtocolViolation, InvalidRequest) as error:
        raise Finding(f"the message written again is refused: {error}") from error
    must(again == message, "the message written again reads otherwise")


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (messages, server, client, layer, readers, wire)
}
