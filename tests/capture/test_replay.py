"""A recording played as a server, element by element."""

from pathlib import Path

import ldap3
import pytest

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.matching import with_id
from ldapserver.capture.proof import Proof
from ldapserver.capture.recorder import write_recording
from ldapserver.capture.replay import Replay
from ldapserver.capture.script import CannotReplay, script_of
from ldapserver.testing import ReplayMismatch, recording, replaying, running_server
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode
from ldapserver.wire.filters import Present
from sasl_digest import DigestClient, Password, Response, Success
from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection
from tests.capture.conversations import (
    BEGAN,
    CHALLENGE,
    RSPAUTH,
    bound,
    conversation,
    digest_bind,
    element,
    sasl,
    simple,
)

USER = "uid=u1,ou=people,dc=contoso,dc=com"


def replay(*said: Conversation, strict: bool = False, redacted: bool = False, proof: Proof | None = None) -> Replay:
    return Replay(script_of(said, pytest.fail, redacted=redacted), strict, proof)


def search(message_id: int, base: str, *attributes: str, control: bool = False) -> bytes:
    request = m.SearchRequest(
        base, m.Scope.BASE_OBJECT, m.DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, Present("cn"), attributes
    )
    return element(message_id, request, *([m.Control("1.2.3")] if control else []))


def entry(message_id: int, name: str) -> bytes:
    return element(message_id, m.SearchResultEntry(name, ()))


def done(message_id: int) -> bytes:
    return element(message_id, m.SearchResultDone(m.ResultCode.SUCCESS))


SEARCHES = [
    (True, search(5, "cn=a", "cn", "sn")),
    (True, search(6, "cn=b")),
    (False, entry(6, "cn=b")),
    (False, entry(5, "cn=a")),
    (False, done(6)),
    (False, done(5)),
]


def test_answers_are_those_recorded_under_the_ids_asked() -> None:
    connection = replay(conversation(*SEARCHES)).connect()
    assert connection.take(search(70, "cn=a", "cn", "sn")).elements == (entry(70, "cn=a"), done(70))
    assert connection.take(search(300, "cn=b")).elements == (entry(300, "cn=b"), done(300))


def test_an_id_is_changed_and_nothing_else() -> None:
    # As Windows writes it, lengths in four octets.
    windows = bytes.fromhex("308400000010 020105 6584000000070a010004000400".replace(" ", ""))
    changed = with_id(windows, 70000)
    assert changed.endswith(bytes.fromhex("6584000000070a010004000400"))
    assert decode(changed) == m.LDAPMessage(70000, m.SearchResultDone(m.ResultCode.SUCCESS))


def test_what_has_no_id_is_replayed_as_it_was() -> None:
    # A messageID that reaches beyond the message, and one whose length takes 127 octets.
    for broken in (bytes.fromhex("3003020501"), bytes.fromhex("300302ff01")):
        connection = replay(conversation((True, search(5, "cn=a")), (False, broken))).connect()
        assert connection.take(search(9, "cn=a")).elements == (broken,)
        # And as a request it is none that a client could send: nobody's is the same.
        of_client = replay(conversation((True, broken), (True, search(5, "cn=a")), (False, done(5)))).connect()
        unread = element(7, m.DelRequest("cn=a"))[:-1] + b"\xff"
        assert of_client.take(unread).end is End.CLOSED


def test_a_name_of_many_blanks_is_looked_at_once() -> None:
    # With each blank looked at from every one before it this would take minutes.
    connection = replay(conversation((True, search(5, f"cn=a{' ' * 100_000}b , cn=c")), (False, done(5)))).connect()
    assert connection.take(search(9, f"CN = a{' ' * 100_000}b,cn=c")).elements == (done(9),)
    assert connection.take(search(9, f"cn=a{' ' * 100_000}c,cn=c")).elements != (done(9),)


def test_lenient_looks_past_order_case_and_controls() -> None:
    playing = replay(conversation(*SEARCHES))
    connection = playing.connect()
    for _ in range(2):
        assert len(connection.take(search(1, "CN=B", control=True)).elements) == 2
        assert len(connection.take(search(2, "CN = a", "SN", "cn")).elements) == 2
    assert playing.mismatches == []
    assert playing.script.unasked == []


@pytest.mark.parametrize(
    "asked",
    [
        search(1, "CN=a", "cn", "sn"),
        search(1, "cn=a", "sn", "cn"),
        search(1, "cn=b"),
        search(1, "cn=a", "cn", "sn", control=True),
    ],
    ids=["case", "order-of-attributes", "order", "control"],
)
def test_strict_looks_past_nothing(asked: bytes) -> None:
    playing = replay(conversation(*SEARCHES), strict=True)
    (answer,) = playing.connect().take(asked).elements
    result = decode(answer).operation
    assert isinstance(result, m.SearchResultDone)
    assert result.result_code == m.ResultCode.UNWILLING_TO_PERFORM
    assert "expected: 'searchRequest 5 'cn=a' base (cn=*) attributes cn sn'" in result.diagnostic_message
    assert len(playing.mismatches) == 1
    assert len(playing.script.unasked) == 2


def test_what_was_never_asked_is_named() -> None:
    playing = replay(conversation(*SEARCHES))
    playing.connect().take(search(1, "cn=b"))
    assert list(playing.summing_up()) == [
        "never asked: connection 1: searchRequest 5 'cn=a' base (cn=*) attributes cn sn"
    ]


def test_each_connection_plays_one_of_the_recorded() -> None:
    one = conversation((True, simple(1, "cn=a", b"1")), (False, bound(1, m.ResultCode.SUCCESS)))
    other = conversation((True, simple(1, "cn=a", b"1")), (False, bound(1, m.ResultCode.BUSY)))
    playing = replay(one, other)
    answers = [playing.connect().take(simple(9, "cn=a", b"1")).elements for _ in range(2)]
    assert answers == [(bound(9, m.ResultCode.SUCCESS),), (bound(9, m.ResultCode.BUSY),)]


def test_another_password_is_another_request() -> None:
    said = conversation((True, simple(1, "cn=a", b"right")), (False, bound(1, m.ResultCode.SUCCESS)))
    playing = replay(said)
    (answer,) = playing.connect().take(simple(2, "cn=a", b"wrong")).elements
    assert decode(answer).operation.result_code == m.ResultCode.UNWILLING_TO_PERFORM  # type: ignore[union-attr]
    assert "wrong" not in str(playing.mismatches)
    assert "right" not in str(playing.mismatches)
    blotted = conversation((True, simple(1, "cn=a", b"xxxxx")), (False, bound(1, m.ResultCode.SUCCESS)))
    assert replay(blotted, redacted=True).connect().take(simple(2, "cn=a", b"a longer one")).elements == (
        bound(2, m.ResultCode.SUCCESS),
    )
    # But nothing is asked without a password where there was one: that would be another kind of bind.
    assert replay(blotted, redacted=True).connect().take(simple(2, "cn=a", b"")).elements != (
        bound(2, m.ResultCode.SUCCESS),
    )


def test_a_server_that_ends_is_played_to_its_end() -> None:
    said = conversation(*SEARCHES)
    for end in End:
        ended = Conversation(said.client, said.server, (*said.pieces, Piece(BEGAN + 9, False, b"", 0, end)))
        connection = replay(ended).connect()
        assert connection.take(search(1, "cn=a", "cn", "sn")).end is None
        assert connection.take(search(2, "cn=b")).end is end


def test_a_client_may_go_and_abandon() -> None:
    abandon = element(3, m.AbandonRequest(5))
    playing = replay(conversation(*SEARCHES, (True, abandon)), strict=False)
    connection = playing.connect()
    connection.take(search(8, "cn=b"))
    assert connection.take(element(9, m.AbandonRequest(8))).elements == ()
    assert connection.take(element(10, m.UnbindRequest())).end is End.CLOSED
    assert playing.mismatches == []


def test_octets_that_are_no_request_end_the_connection() -> None:
    playing = replay(conversation(*SEARCHES))
    turn = playing.connect().take(bytes.fromhex("30050201014100"))
    assert turn.end is End.CLOSED
    assert decode(turn.elements[0]).message_id == 0
    assert len(playing.mismatches) == 1


def test_what_cannot_be_replayed_is_said_at_once() -> None:
    warnings: list[str] = []
    said = conversation(*digest_bind()[:4], (True, b"\0\0\0\x14wrapped"), (False, b"\0\0\0\x14so"))
    script_of([said], warnings.append, redacted=False)
    assert warnings == ["connection 1: what is inside a SASL security layer cannot be replayed"]
    with pytest.raises(CannotReplay):
        script_of([conversation((True, b"\x16\x03\x01"))], warnings.append, redacted=False)
    assert warnings[1:] == ["connection 1: what is inside TLS cannot be replayed"]


# DIGEST-MD5


def client() -> DigestClient:
    return DigestClient("u1", Password("password"), service="ldap", host="elsewhere")


def played(proof: Proof | None) -> object:
    connection = replay(conversation(*digest_bind()), proof=proof).connect()
    assert connection.take(sasl(1, None)).elements == (bound(1, m.ResultCode.SASL_BIND_IN_PROGRESS, CHALLENGE),)
    us = client()
    response = us.step(CHALLENGE)
    assert isinstance(response, Response)
    (verdict,) = connection.take(sasl(2, response.data)).elements
    operation = decode(verdict).operation
    assert isinstance(operation, m.BindResponse)
    if operation.result_code:
        return operation.result_code
    return us.step(operation.server_sasl_creds or b"")


def test_with_the_password_the_proof_is_right() -> None:
    assert isinstance(played(Proof(Password("password"))), Success)


def test_with_the_password_a_wrong_one_is_refused() -> None:
    assert played(Proof(Password("another"))) == m.ResultCode.INVALID_CREDENTIALS


def test_without_the_password_the_recorded_proof_is_sent() -> None:
    connection = replay(conversation(*digest_bind())).connect()
    connection.take(sasl(1, None))
    response = client().step(CHALLENGE)
    assert isinstance(response, Response)
    assert connection.take(sasl(2, response.data)).elements == (bound(2, m.ResultCode.SUCCESS, RSPAUTH),)
    assert not isinstance(played(None), Success)


def test_another_user_is_another_request() -> None:
    connection = replay(conversation(*digest_bind())).connect()
    connection.take(sasl(1, None))
    other = DigestClient("u2", Password("password"), service="ldap", host="elsewhere").step(CHALLENGE)
    assert isinstance(other, Response)
    (answer,) = connection.take(sasl(2, other.data)).elements
    assert b"not recorded" in answer


def test_a_layer_is_refused_and_said() -> None:
    playing = replay(conversation(*digest_bind()))
    connection = playing.connect()
    chosen = b'username="u1",realm="contoso.com",nonce="abc",cnonce="d",nc=00000001,qop=auth-int,digest-uri="ldap/d",'
    (answer,) = connection.take(sasl(2, chosen + b"response=" + b"0" * 32)).elements
    assert b"a security layer, which cannot be replayed" in answer
    assert len(playing.mismatches) == 1


# On sockets


def session(url: str, password: str = "password") -> list[str]:
    """What a client of ldap3 does and finds."""
    found = []
    server = ldap3.Server(url, get_info=ldap3.NONE)
    with DigestConnection(server, sasl_credentials=Credentials("u1", password)) as connection:
        found.append(str(connection.extend.standard.who_am_i()))
        connection.search("dc=contoso,dc=com", "(uid=u1)", attributes=["cn"])
        found += [str(each.cn) for each in connection.entries]
    with ldap3.Connection(server, USER, "password") as connection:
        connection.delete(USER)  # type: ignore[no-untyped-call]  # as are most of ldap3
        found.append(connection.result["description"])
    return found


def refused(url: str) -> str:
    """How a bind ends that was not recorded."""
    connection = ldap3.Connection(ldap3.Server(url, get_info=ldap3.NONE), "cn=b", "1")
    assert not connection.bind()
    connection.unbind()
    return str(connection.result["description"])


FOUND = [f"dn:{USER}", "Una One", "insufficientAccessRights"]


def test_a_session_of_a_server_is_played_to_the_same_client(tmp_path: Path) -> None:
    recorded, capture = str(tmp_path / "session.txt"), str(tmp_path / "session.pcap")
    with running_server(ldif=["examples/contoso.ldif"]) as server, recording(to=server.url) as proxy:
        assert session(proxy.url) == FOUND
        proxy.save(recorded, redact=True)
        proxy.save_pcap(capture)
    for path in (recorded, capture):
        with replaying(path, strict=True, password="password") as played:
            assert session(played.url) == FOUND
            assert (played.mismatches, played.unasked) == ([], [])
    with replaying(recorded) as played, pytest.raises(DigestBindError):
        session(played.url)


def test_strict_raises_for_what_differs_and_for_what_is_missing(tmp_path: Path) -> None:
    path = str(tmp_path / "session.txt")
    write_recording(path, [conversation((True, simple(1, "cn=a", b"1")), (False, bound(1, m.ResultCode.SUCCESS)))])
    with pytest.raises(ReplayMismatch) as caught, replaying(path, strict=True) as played:
        assert refused(played.url) == "unwillingToPerform"
    assert str(caught.value).count("\n") == 2
    assert "never asked: connection 1: bindRequest 1 'cn=a' simple, password (not shown)" in str(caught.value)
