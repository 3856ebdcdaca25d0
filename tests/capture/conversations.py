"""What two ends may say, for the tests of captures."""

from hypothesis import strategies as st

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.wire import messages as m
from ldapserver.wire.codec import encode

BEGAN = 1_767_323_045.678901  # 2026-01-02T03:04:05.678901Z

CHALLENGE = b'realm="contoso.com",nonce="abc",qop="auth",charset=utf-8,algorithm=md5-sess'
RESPONSE = (
    b'username="u1",realm="contoso.com",nonce="abc",cnonce="def",nc=00000001,qop=auth,'
    b'digest-uri="ldap/dc1",response=0123456789abcdef0123456789abcdef,charset=utf-8'
)
RSPAUTH = b"rspauth=fedcba9876543210fedcba9876543210"


def element(message_id: int, operation: m.Operation, *controls: m.Control) -> bytes:
    return encode(m.LDAPMessage(message_id, operation, controls))


def simple(message_id: int, name: str, password: bytes) -> bytes:
    return element(message_id, m.BindRequest(3, name, m.SimpleAuthentication(password)))


def sasl(message_id: int, credentials: bytes | None, mechanism: str = "DIGEST-MD5") -> bytes:
    return element(message_id, m.BindRequest(3, "", m.SaslAuthentication(mechanism, credentials)))


def bound(message_id: int, code: m.ResultCode, creds: bytes | None = None, text: str = "") -> bytes:
    return element(message_id, m.BindResponse(code, "", text, (), creds))


def conversation(*said: tuple[bool, bytes], begun: bool = True) -> Conversation:
    """Each a millisecond behind the one before."""
    pieces = [Piece(BEGAN + at / 1000, from_client, data) for at, (from_client, data) in enumerate(said)]
    return Conversation("192.0.2.10:50000", "192.0.2.1:389", tuple(pieces), begun)


def digest_bind() -> list[tuple[bool, bytes]]:
    """A bind that succeeds, with a search behind it."""
    return [
        (True, sasl(1, None)),
        (False, bound(1, m.ResultCode.SASL_BIND_IN_PROGRESS, CHALLENGE)),
        (True, sasl(2, RESPONSE)),
        (False, bound(2, m.ResultCode.SUCCESS, RSPAUTH)),
        (True, element(3, m.DelRequest("cn=gone"))),
        (False, element(3, m.DelResponse(m.ResultCode.NO_SUCH_OBJECT, "", "not there"))),
        (True, element(4, m.UnbindRequest())),
    ]


# Times that the file has digits for, and any octets: LDAP or not.
moments = st.integers(0, 10**12).map(lambda microseconds: (1_700_000_000_000_000 + microseconds) / 1_000_000)
payloads = st.one_of(
    st.binary(min_size=1, max_size=80),
    st.sampled_from([data for _, data in digest_bind()]),
    st.binary(max_size=6).map(lambda password: simple(7, "cn=u1", password)),
)
ends = st.one_of(st.none(), st.sampled_from(End))


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any conversation, with octets missing and ends in it; its times only grow."""
    times = sorted(draw(st.lists(moments, min_size=1, max_size=8)))
    pieces = [Piece(at, draw(st.booleans()), draw(payloads), draw(st.sampled_from([0, 0, 0, 9]))) for at in times]
    for from_client in (True, False):
        end = draw(ends)
        if end is not None:
            pieces.append(Piece(times[-1], from_client, b"", 0, end))
    port = draw(st.integers(1, 65535))
    host = draw(st.sampled_from(["192.0.2.1", "[2001:db8::1]"]))
    return Conversation(f"{host}:{port}", "192.0.2.2:389", tuple(pieces), draw(st.booleans()))


def stream(said: Conversation, from_client: bool) -> bytes:
    """All that one end said."""
    return b"".join(piece.data for piece in said.pieces if piece.from_client == from_client)


def lost(said: Conversation) -> int:
    """How many octets are missing in all."""
    return sum(piece.lost for piece in said.pieces)
