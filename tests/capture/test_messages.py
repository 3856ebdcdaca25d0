"""Which messages are read in what two ends said, and which exchanges of DIGEST-MD5."""

from hypothesis import given
from hypothesis import strategies as st

from ldapserver.capture.conversation import Conversation, Piece
from ldapserver.capture.exchanges import digest_exchanges
from ldapserver.capture.messages import (
    CUT_SHORT,
    IN_THE_MIDDLE,
    LAYER,
    MISSING,
    START_TLS,
    TLS,
    Message,
    Unreadable,
    messages,
)
from ldapserver.wire import messages as m
from tests.capture.conversations import (
    BEGAN,
    CHALLENGE,
    RESPONSE,
    RSPAUTH,
    bound,
    conversation,
    conversations,
    digest_bind,
    element,
    sasl,
    stream,
)


def reasons(said: Conversation) -> list[str]:
    return [read.reason for read in messages(said) if isinstance(read, Unreadable)]


@given(conversations())
def test_every_octet_is_in_one_result(said: Conversation) -> None:
    read = list(messages(said))
    for from_client in (True, False):
        assert b"".join(each.octets for each in read if each.from_client == from_client) == stream(said, from_client)
    assert sum(each.lost for each in read) == sum(piece.lost for piece in said.pieces)


@given(st.data())
def test_where_a_stream_is_cut_does_not_matter(data: st.DataObject) -> None:
    pieces: list[Piece] = []
    for from_client, octets in digest_bind():
        cuts = sorted(data.draw(st.sets(st.integers(1, len(octets) - 1), max_size=4)))
        for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            pieces.append(Piece(BEGAN, from_client, octets[start:stop]))
    found = [(read.from_client, read.octets) for read in messages(Conversation("c:1", "s:2", tuple(pieces)))]
    assert found == digest_bind()


def test_start_tls_ends_what_can_be_read() -> None:
    said = conversation(
        (True, element(1, m.ExtendedRequest(START_TLS))),
        (False, element(1, m.ExtendedResponse(m.ResultCode.SUCCESS))),
        (True, b"\x16\x03\x01\x00\x05hello"),
        (False, b"\x30\x00"),
    )
    assert reasons(said) == [TLS, TLS]


def test_refused_start_tls_ends_nothing() -> None:
    said = conversation(
        (True, element(1, m.ExtendedRequest(START_TLS))),
        (False, element(1, m.ExtendedResponse(m.ResultCode.UNAVAILABLE))),
        *digest_bind(),
    )
    assert reasons(said) == []


def test_ldaps_is_not_read() -> None:
    assert reasons(conversation((True, b"\x16\x03\x01\x00\x05hello"), (False, b"\x16\x03\x03"))) == [TLS, TLS]


def test_a_security_layer_ends_what_can_be_read_behind_a_bind() -> None:
    said = conversation(*digest_bind()[:4], (True, b"\x00\x00\x00\x14wrapped"), (False, b"\x00\x00\x00\x14so"))
    assert reasons(said) == [LAYER, LAYER]


def test_what_is_no_ldap_is_not_called_a_layer() -> None:
    (reason,) = reasons(conversation((True, b"GET / HTTP/1.0\r\n\r\n")))
    assert reason.startswith("no LDAP: LDAPMessage: tag 0x47")


def test_reading_goes_on_behind_a_gap() -> None:
    first, second = sasl(1, None), sasl(2, None)
    pieces = (
        Piece(1.0, True, first[:10]),
        Piece(2.0, True, first[15:], lost=5),
        Piece(3.0, True, second),
        Piece(4.0, True, b"", lost=7),
    )
    found = list(messages(Conversation("c:1", "s:2", pieces)))
    assert [(type(read), read.lost) for read in found] == [
        (Unreadable, 0),
        (Unreadable, 5),
        (Message, 0),
        (Unreadable, 7),
    ]
    assert reasons(Conversation("c:1", "s:2", pieces)) == [CUT_SHORT, IN_THE_MIDDLE, MISSING]


def test_a_capture_that_begins_in_the_middle_is_read_from_its_first_message() -> None:
    said = conversation((True, b"of a message"), *digest_bind(), begun=False)
    assert reasons(said) == [IN_THE_MIDDLE]
    assert len(list(messages(said))) == 1 + len(digest_bind())


def test_a_message_that_breaks_a_rule_says_which() -> None:
    (read,) = messages(conversation((True, bytes.fromhex("30050201014100"))))
    assert isinstance(read, Message)
    assert read.message is None
    assert "0x41" in read.fault


# Exchanges


def test_an_exchange_has_its_strings_and_its_verdict() -> None:
    (exchange,) = digest_exchanges(conversation(*digest_bind()))
    assert (exchange.challenge, exchange.response, exchange.rspauth) == (CHALLENGE, RESPONSE, RSPAUTH)
    assert (exchange.result_code, exchange.mechanism, exchange.client) == (0, "DIGEST-MD5", "192.0.2.10:50000")
    assert abs(exchange.at - (BEGAN + 0.002)) < 1e-6


def test_a_failure_has_its_diagnostic_message() -> None:
    refused = bound(2, m.ResultCode.INVALID_CREDENTIALS, None, "data 52e")
    (exchange,) = digest_exchanges(conversation(*digest_bind()[:3], (False, refused)))
    assert (exchange.result_code, exchange.rspauth, exchange.diagnostic_message) == (49, None, "data 52e")


def test_several_exchanges_follow_each_other() -> None:
    refused = bound(2, m.ResultCode.INVALID_CREDENTIALS)
    found = list(digest_exchanges(conversation(*digest_bind()[:3], (False, refused), *digest_bind())))
    assert [(each.challenge, each.result_code) for each in found] == [(CHALLENGE, 49), (CHALLENGE, 0)]


def test_subsequent_authentication_has_no_challenge_but_may_get_one() -> None:
    stale = bound(1, m.ResultCode.SASL_BIND_IN_PROGRESS, CHALLENGE)
    found = list(digest_exchanges(conversation((True, sasl(1, RESPONSE)), (False, stale), *digest_bind()[2:4])))
    assert [(each.challenge, each.rspauth, each.result_code) for each in found] == [
        (None, None, 14),
        (CHALLENGE, RSPAUTH, 0),
    ]


def test_a_proof_before_the_verdict_is_taken() -> None:
    said = [
        *digest_bind()[:3],
        (False, bound(2, m.ResultCode.SASL_BIND_IN_PROGRESS, RSPAUTH)),
        (True, sasl(3, b"")),
        (False, bound(3, m.ResultCode.SUCCESS)),
    ]
    (exchange,) = digest_exchanges(conversation(*said))
    assert (exchange.challenge, exchange.rspauth, exchange.result_code) == (CHALLENGE, RSPAUTH, 0)


def test_an_exchange_without_a_verdict_has_none() -> None:
    (exchange,) = digest_exchanges(conversation(*digest_bind()[:3]))
    assert exchange.result_code is None


def test_other_binds_are_no_exchanges() -> None:
    said = [(True, sasl(1, b"token", "GSSAPI")), (False, bound(1, m.ResultCode.SUCCESS))]
    assert list(digest_exchanges(conversation(*said))) == []
