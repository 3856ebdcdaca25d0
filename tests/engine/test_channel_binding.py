"""Channel bindings: what they are made of, and which responses a server takes that knows of them."""

from dataclasses import replace
from hashlib import md5, sha256

import pytest

from sasl_digest import (
    Challenge,
    DigestClient,
    DigestResponse,
    DigestServer,
    Failure,
    Lookup,
    MalformedMessage,
    NonceBook,
    Password,
    Reason,
    Response,
    Success,
)
from sasl_digest.channel_binding import END_POINT, NO_CHANNEL, head, token
from sasl_digest.messages import Bound

CERTIFICATE = sha256(b"a certificate").digest()
OURS = token(END_POINT + CERTIFICATE)
OTHERS = token(END_POINT + sha256(b"that of a man in the middle").digest())
SECRET = Password("secret")


def server(**terms: object) -> DigestServer:
    settings: dict[str, object] = {"channel_binding": OURS, "nonces": NonceBook(upgraded=True), **terms}
    return DigestServer(realms=["example.org"], service="ldap", hosts=["h"], **settings)  # type: ignore[arg-type]


def response(end: DigestServer, channel_binding: bytes | None, host: str = "h") -> tuple[DigestClient, bytes]:
    challenge = end.step(b"")
    assert isinstance(challenge, Challenge)
    client = DigestClient("alice", SECRET, service="ldap", host=host, channel_binding=channel_binding)
    answer = client.step(challenge.data)
    assert isinstance(answer, Response)
    return client, answer.data


def verdict(end: DigestServer, data: bytes) -> Success | Challenge | Failure:
    outcome = end.step(data)
    return end.verify(SECRET) if isinstance(outcome, Lookup) else outcome


def test_token_is_the_md5_of_the_struct_of_gss_channel_bindings() -> None:
    # RFC 2744 section 3.11, little-endian: two addresses, each a type and a length, all zero; then the data.
    struct = b"\0\0\0\0" * 4 + b"\x05\0\0\0" + b"a:bcd"
    assert token(b"a:bcd") == md5(struct).hexdigest().encode()


def test_cnonce_begins_with_the_hash_of_what_is_bound() -> None:
    end = server()
    _, data = response(end, OURS)
    said = DigestResponse.parse(data)
    bound = md5(b"ldap/h:" + OURS).hexdigest().encode()
    assert said.cnonce[:44] == b"+Upgraded+v1" + bound
    assert len(said.cnonce) == 44 + 32
    assert said.bound == Bound((b"service-name", b"channel-binding"), b"ldap/h", OURS)
    assert data.endswith(
        b',hashed-dirs="service-name,channel-binding",service-name="ldap/h",channel-binding="%b"' % OURS
    )


def test_response_bound_to_this_channel_is_taken_and_the_proof_believed() -> None:
    end = server(binding_required=True)
    client, data = response(end, OURS)
    outcome = verdict(end, data)
    assert isinstance(outcome, Success)
    assert isinstance(client.step(outcome.data), Success)


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("channel_binding", [OTHERS, NO_CHANNEL])
def test_response_bound_to_another_channel_is_refused(channel_binding: bytes, required: bool) -> None:
    end = server(binding_required=required)
    assert verdict(end, response(end, channel_binding)[1]) == Failure(Reason.CHANNEL_BINDING)


def test_response_that_binds_nothing_is_refused_only_where_that_is_required() -> None:
    end = server()
    assert isinstance(verdict(end, response(end, None)[1]), Success)
    end = server(binding_required=True)
    assert verdict(end, response(end, None)[1]) == Failure(Reason.CHANNEL_BINDING)


@pytest.mark.parametrize(
    "change",
    [
        {"hashed_dirs": ()},
        {"hashed_dirs": (b"channel-binding",)},
        {"service_name": None},
        {"service_name": b"ldap/elsewhere"},
        {"channel_binding": None},
        {"channel_binding": OTHERS},
    ],
)
def test_what_a_bound_response_says_in_the_open_must_be_what_is_in_its_cnonce(change: dict[str, object]) -> None:
    # Only the cnonce is covered by the digest: a man in the middle may change, or take away, all the rest.
    end = server()
    said = DigestResponse.parse(response(end, OURS)[1])
    assert said.bound is not None
    changed = said._replace(bound=replace(said.bound, **change))  # type: ignore[arg-type]
    assert verdict(end, changed.encode()) == Failure(Reason.CHANNEL_BINDING)


def test_taking_away_all_that_it_says_does_not_unbind_a_response() -> None:
    end = server()
    said = DigestResponse.parse(response(end, OURS)[1])
    assert verdict(end, said._replace(bound=None).encode()) == Failure(Reason.CHANNEL_BINDING)


def test_cnonce_made_for_another_service_is_refused() -> None:
    end = server()
    said = DigestResponse.parse(response(end, OURS)[1])
    cnonce = head(b"http/h", OURS) + bytes(32)
    assert said.bound is not None
    moved = said._replace(cnonce=cnonce, bound=replace(said.bound, service_name=b"http/h"))
    assert verdict(end, moved.encode()) == Failure(Reason.CHANNEL_BINDING)


def test_server_without_a_channel_expects_to_hear_of_none() -> None:
    end = server(channel_binding=None, binding_required=True)
    assert isinstance(verdict(end, response(end, NO_CHANNEL)[1]), Success)
    end = server(channel_binding=None, binding_required=True)
    assert verdict(end, response(end, OURS)[1]) == Failure(Reason.CHANNEL_BINDING)


def test_server_that_does_not_care_takes_a_bound_response() -> None:
    end = DigestServer(nonces=NonceBook(upgraded=True))
    assert isinstance(verdict(end, response(end, OTHERS)[1]), Success)


def test_fresh_server_is_for_another_channel() -> None:
    end = server(binding_required=True).fresh(OTHERS)
    assert isinstance(verdict(end, response(end, OTHERS)[1]), Success)
    end = server(binding_required=True).fresh(OTHERS)
    assert verdict(end, response(end, OURS)[1]) == Failure(Reason.CHANNEL_BINDING)


def test_client_binds_nothing_where_the_server_does_not_know_of_it() -> None:
    end = DigestServer()
    said = DigestResponse.parse(response(end, OURS)[1])
    assert (len(said.cnonce), said.bound) == (32, None)


@pytest.mark.parametrize("name", [b"hashed-dirs", b"service-name", b"channel-binding"])
def test_directive_twice_is_malformed(name: bytes) -> None:
    _, data = response(server(), OURS)
    with pytest.raises(MalformedMessage, match=rf"^{name.decode()}: must come only once"):
        DigestResponse.parse(data + b',%b="x"' % name)
