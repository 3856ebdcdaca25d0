"""Perl's Authen::SASL as a server without LDAP, and our client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sasl_digest import QOP, BrokenLayer, Cipher, DigestClient, Password, Response, Success
from sasl_digest.layers import client_layer, server_layer
from tests.interop.conftest import absent, tool
from tests.interop.lines import Speaker, speaking
from tests.interop.server import REALM, WRONG, run

HOST = "ldap.contoso.com"
MODULES = ("Authen::SASL::Perl::DIGEST_MD5", "Crypt::RC4")


@contextmanager
def perl_server(password: str, realm: str = REALM) -> Iterator[Speaker]:
    """Start it; it ends with its input."""
    perl = tool("perl")
    for module in MODULES:
        if run(perl, f"-M{module}", "-e", "1")[0]:
            absent(f"Perl's {module}")
    command = [perl, str(Path(__file__).parent / "clients" / "serve.pl"), HOST, realm, password]
    with speaking(*command) as running:
        yield running


def our_client(user: str, password: str, qop: QOP = QOP.AUTH) -> DigestClient:
    """The engine as an LDAP client."""
    return DigestClient(user, Password(password), service="ldap", host=HOST, qop=[qop], ciphers=[Cipher.RC4])


def answered(peer: Speaker, us: DigestClient) -> bytes | None:
    """Its verdict about us: its rspauth, or None."""
    response = us.step(peer.hear() or b"")
    assert isinstance(response, Response), response
    peer.say(response.data)
    return peer.hear()


@pytest.mark.parametrize("qop", list(QOP), ids=lambda qop: qop.decode())
@pytest.mark.parametrize(("user", "password"), [("u1", "password"), ('a"b\\c,d=e', '"\\,=; '), ("жора", "пароль")])
def test_we_bind_to_its_server(user: str, password: str, qop: QOP) -> None:
    us = our_client(user, password, qop)
    with perl_server(password) as peer:
        outcome = us.step(answered(peer, us) or b"")
    assert isinstance(outcome, Success)
    assert (outcome.username, outcome.qop) == (user, qop)
    assert peer.status == 0


def test_our_wrong_password_is_refused_by_its_server() -> None:
    with perl_server("password") as peer:
        assert answered(peer, our_client("u1", WRONG)) is None
    assert peer.status == 49


def test_names_outside_ascii_that_fit_iso_8859_1_are_hashed_otherwise_by_its_server() -> None:
    # RFC 2831 section 2.1.2.1 converts what fits; Authen::SASL::Perl 2.16 hashes UTF-8 as it came.
    with perl_server("pässwörd") as peer:
        assert answered(peer, our_client("jürgen", "pässwörd")) is None


@pytest.mark.parametrize("qop", [QOP.AUTH_INT, QOP.AUTH_CONF], ids=lambda qop: qop.decode())
def test_its_server_wraps_with_the_keys_of_a_client(qop: QOP) -> None:
    # Sections 2.3 and 2.4 have a pair of keys for each direction; Authen::SASL::Perl 2.16 in the server's role sends
    # with those of the client and expects those of the server. So no layer can be had with it.
    cipher = Cipher.RC4 if qop is QOP.AUTH_CONF else None
    us = our_client("u1", "password", qop)
    with perl_server("password") as peer:
        outcome = us.step(answered(peer, us) or b"")
        assert isinstance(outcome, Success)
        assert outcome.layer is not None
        like_a_server = server_layer(us._h_a1, qop, cipher, peer_maxbuf=65536, limit=65536)
        like_a_client = client_layer(us._h_a1, qop, cipher, peer_maxbuf=65536, limit=65536)
        assert like_a_server is not None
        assert like_a_client is not None
        said = outcome.layer.wrap(b"an order")[4:]
        peer.say(said)
        assert peer.hear() is None
        wrapped = peer.hear() or b""
        buffer = len(wrapped).to_bytes(4, "big") + wrapped
        with pytest.raises(BrokenLayer):
            outcome.layer.receive(buffer)
        if qop is QOP.AUTH_INT:
            assert like_a_client.wrap(said) == buffer
            peer.say(like_a_server.wrap(b"an order")[4:])
            assert peer.hear() == b"an order"
