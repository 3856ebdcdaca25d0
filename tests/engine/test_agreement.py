"""Both ends joined in memory over everything that can be negotiated, and then octets both ways through what was.

qop x cipher x charset x how many realms x authzid x maxbuf, each end with wishes of its own: what must come of it is
worked out here from the wishes alone.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sasl_digest import (
    QOP,
    BrokenLayer,
    Challenge,
    Cipher,
    DigestClient,
    DigestServer,
    Failure,
    Lookup,
    Password,
    Reason,
    Response,
    SecurityLayer,
    Success,
)

AWKWARD = st.text('"\\,=; ü', min_size=1, max_size=6)
BEYOND = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12) | AWKWARD
# Without charset=utf-8, where what reads as UTF-8 is taken for it (test_conversation.py): no two octets of these do.
PLAIN = st.text('"\\,=; abü', min_size=1, max_size=12)
SMALL = st.integers(17, 40) | st.sampled_from([256, 1024])
MAXBUFS = SMALL | st.sampled_from([65536, 16777215])
MESSAGES = st.lists(st.binary(max_size=80) | st.integers(0, 2000).map(bytes), max_size=4)
Member = TypeVar("Member", QOP, Cipher)
BLOCKS = (Cipher.DES, Cipher.TRIPLE_DES)


def some(every: type[Member]) -> st.SearchStrategy[tuple[Member, ...]]:
    """One or more of an enumeration, in any order."""
    return st.lists(st.sampled_from(every), min_size=1, unique=True).map(tuple)


@dataclass(frozen=True)
class Terms:
    """What both ends wish."""

    wanted: tuple[QOP, ...]
    offered: tuple[QOP, ...]
    wanted_ciphers: tuple[Cipher, ...]
    offered_ciphers: tuple[Cipher, ...]
    client_maxbuf: int
    server_maxbuf: int
    utf8: bool
    username: str
    password: str
    realms: tuple[str, ...]
    asked: str | None
    authzid: str | None

    @property
    def choice(self) -> tuple[QOP, Cipher | None] | None:
        """The first that the client wants, the server offers, and the shorter maxbuf has room for."""
        for qop in self.wanted:
            if qop in self.offered and qop is not QOP.AUTH_CONF:
                return qop, None
            for cipher in self.wanted_ciphers if qop in self.offered else ():
                # A block cipher's shortest buffer has two blocks and six octets.
                fits = cipher not in BLOCKS or min(self.client_maxbuf, self.server_maxbuf) >= 22
                if cipher in self.offered_ciphers and fits:
                    return qop, cipher
        return None

    @property
    def qop(self) -> QOP | None:
        """What it is to be."""
        return None if self.choice is None else self.choice[0]

    @property
    def cipher(self) -> Cipher | None:
        """Likewise, and only for auth-conf."""
        return None if self.choice is None else self.choice[1]

    @property
    def expected(self) -> Reason | None:
        """Why nothing comes of it, or None."""
        if self.choice is not None:
            return None
        # auth-conf was both wanted and offered: it is the cipher that failed it.
        return Reason.CIPHER if QOP.AUTH_CONF in self.wanted and QOP.AUTH_CONF in self.offered else Reason.QOP

    def server(self) -> DigestServer:
        """The server that wishes this."""
        return DigestServer(
            realms=self.realms,
            service="ldap",
            hosts=["ldap.example.org"],
            qop=self.offered,
            ciphers=self.offered_ciphers,
            utf8=self.utf8,
            maxbuf=self.server_maxbuf,
        )

    def client(self) -> DigestClient:
        """The client that wishes this."""
        return DigestClient(
            self.username,
            Password(self.password),
            service="ldap",
            host="ldap.example.org",
            realm=self.asked,
            strict_realm=True,
            authzid=self.authzid,
            qop=self.wanted,
            ciphers=self.wanted_ciphers,
            maxbuf=self.client_maxbuf,
        )


LAYERED = st.permutations([QOP.AUTH_INT, QOP.AUTH_CONF]).map(tuple)


@st.composite
def terms(
    draw: st.DrawFn,
    wanted: st.SearchStrategy[tuple[QOP, ...]] = some(QOP),  # noqa: B008 - a strategy is a value
    maxbufs: st.SearchStrategy[int] = MAXBUFS,
) -> Terms:
    """Any terms."""
    utf8 = draw(st.booleans(), label="utf8")
    names = BEYOND if utf8 else PLAIN
    realms = draw(st.lists(names, max_size=3), label="realms")
    return Terms(
        wanted=draw(wanted, label="wanted"),
        offered=draw(some(QOP), label="offered"),
        wanted_ciphers=draw(some(Cipher), label="wanted ciphers"),
        offered_ciphers=draw(some(Cipher), label="offered ciphers"),
        client_maxbuf=draw(maxbufs, label="client's maxbuf"),
        server_maxbuf=draw(maxbufs, label="server's maxbuf"),
        utf8=utf8,
        username=draw(names, label="username"),
        password=draw(BEYOND, label="password"),
        realms=tuple(realms),
        asked=draw(st.sampled_from([None, *realms]), label="asked"),
        authzid=draw(st.none() | BEYOND, label="authzid"),
    )


def agreed(terms: Terms) -> tuple[Success, Success] | Failure:
    """How the conversation ends at the client and at the server, or where either stops it."""
    client, server = terms.client(), terms.server()
    challenge = server.step(b"")
    assert isinstance(challenge, Challenge)
    response = client.step(challenge.data)
    if isinstance(response, Failure):
        return response
    assert isinstance(response, Response)
    question = server.step(response.data)
    if isinstance(question, Failure):
        return question
    assert isinstance(question, Lookup)
    theirs = server.verify(Password(terms.password))
    assert isinstance(theirs, Success)
    ours = client.step(theirs.data)
    assert isinstance(ours, Success)
    assert server.response is not None
    assert (server.response.cipher, server.response.utf8) == (terms.cipher, terms.utf8)
    return ours, theirs


def layers(terms: Terms) -> tuple[SecurityLayer, SecurityLayer]:
    """The client's end and the server's, of terms that end in a layer."""
    assume(terms.expected is None and terms.qop is not QOP.AUTH)
    ended = agreed(terms)
    assert not isinstance(ended, Failure)
    ours, theirs = ended[0].layer, ended[1].layer
    assert ours is not None
    assert theirs is not None
    return ours, theirs


def lengths(stream: bytes) -> list[int]:
    """Of each buffer, without the octets that say it."""
    found, at = [], 0
    while at < len(stream):
        found.append(int.from_bytes(stream[at : at + 4], "big"))
        at += 4 + found[-1]
    assert at == len(stream)
    return found


@settings(max_examples=150, deadline=None)
@given(terms=terms(), up=MESSAGES, down=MESSAGES)
def test_both_ends_agree_on_what_their_wishes_allow_and_what_they_send_arrives(
    terms: Terms, up: list[bytes], down: list[bytes]
) -> None:
    ended = agreed(terms)
    if terms.expected is not None:
        assert isinstance(ended, Failure)
        assert ended.reason is terms.expected
        return
    assert not isinstance(ended, Failure), ended
    realm = terms.asked if terms.asked is not None else "".join(terms.realms[:1])
    for success in ended:
        assert (success.username, success.realm, success.authzid) == (terms.username, realm, terms.authzid)
        assert success.qop is terms.qop
    client, server = ended[0].layer, ended[1].layer
    if terms.qop is QOP.AUTH:
        assert (client, server) == (None, None)
        return
    assert client is not None
    assert server is not None
    for sender, receiver, messages, maxbuf in (
        (client, server, up, terms.server_maxbuf),
        (server, client, down, terms.client_maxbuf),
    ):
        for message in messages:
            wrapped = sender.wrap(message)
            assert receiver.receive(wrapped) == message
            assert all(length <= maxbuf for length in lengths(wrapped))


@settings(max_examples=100, deadline=None)
@given(terms=terms(LAYERED), up=MESSAGES, down=MESSAGES, data=st.data())
def test_however_either_stream_is_cut_it_holds_the_same(
    terms: Terms, up: list[bytes], down: list[bytes], data: st.DataObject
) -> None:
    client, server = layers(terms)
    for sender, receiver, messages in ((client, server, up), (server, client, down)):
        stream = b"".join(sender.wrap(message) for message in messages)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
        pieces = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
        assert b"".join(receiver.receive(piece) for piece in pieces) == b"".join(messages)


@settings(max_examples=200, deadline=None)
@given(terms=terms(LAYERED, SMALL), message=st.binary(min_size=1, max_size=200), up=st.booleans(), data=st.data())
def test_one_flipped_bit_in_either_direction_is_refused(
    terms: Terms, message: bytes, up: bool, data: st.DataObject
) -> None:
    sender, receiver = layers(terms) if up else reversed(layers(terms))
    stream = bytearray(sender.wrap(message))
    bit = data.draw(st.integers(0, 8 * len(stream) - 1))
    stream[bit // 8] ^= 0x80 >> bit % 8
    try:
        given_out = receiver.receive(bytes(stream))
    except BrokenLayer:
        return
    # Only a length that grew goes unnoticed, until as many octets have come as any buffer may have.
    assert given_out != message
    assert message.startswith(given_out)
    behind = bytes(1024)
    with pytest.raises(BrokenLayer):
        receiver.receive(behind)
