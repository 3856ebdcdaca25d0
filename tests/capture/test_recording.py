"""The readable file: what is written is read, what is wrong with it is said, and secrets are hidden."""

import contextlib
import io
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.capture.conversation import Conversation, End, Piece
from ldapserver.capture.messages import messages
from ldapserver.capture.recorder import write_recording
from ldapserver.capture.recording import (
    InvalidRecording,
    Recording,
    block,
    connection_line,
    end_line,
    head,
    parse_recording,
    read_recording,
)
from ldapserver.capture.secrets import redacted
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode
from tests.capture.conversations import conversation, conversations, digest_bind, element, lost, simple, stream

BEGINNING = "ldapserver-recording 1\nbegan 2026-01-02T03:04:05.678901Z\n"
CONNECTION = BEGINNING + "connection 1 at 0.000000 from a:1 to b:2\n"


def written(*said: Conversation) -> bytes:
    """The file of conversations, by the functions that the recorder uses."""
    began = 1_700_000_000_000_000
    octets = head(began, redacted=False)
    for number, each in enumerate(said, 1):
        octets += connection_line(number, 0, each.client, each.server, begun=each.begun)
        for piece in each.pieces:
            offset = round(piece.at * 1_000_000) - began
            one = Conversation(
                each.client, each.server, (Piece(piece.at, piece.from_client, piece.data, piece.lost),)
            )
            for read in messages(one):
                octets += block(number, offset, read, read.octets)
            if piece.end is not None:
                octets += end_line(number, offset, piece.from_client, piece.end)
    return octets


def read(text: str | bytes) -> Recording:
    octets = text if isinstance(text, bytes) else text.encode()
    return parse_recording(io.BytesIO(octets), "session.txt")


@given(st.lists(conversations(), max_size=3))
def test_what_is_written_is_read(said: list[Conversation]) -> None:
    found = read(written(*said)).conversations
    assert [(each.client, each.server, each.begun) for each in found] == [
        (each.client, each.server, each.begun) for each in said
    ]
    for one, other in zip(said, found, strict=True):
        for from_client in (True, False):
            assert stream(one, from_client) == stream(other, from_client)
        assert lost(one) == lost(other)
        # To the microsecond, in their order, and with their ends.
        assert [(p.at, p.end) for p in one.pieces if p.end] == [(p.at, p.end) for p in other.pieces if p.end]
        assert {p.at for p in other.pieces} == {p.at for p in one.pieces}


@given(conversations())
def test_a_file_read_and_written_again_is_the_same(said: Conversation) -> None:
    once = read(written(said)).conversations
    assert read(written(*once)).conversations == once


def test_a_file_is_for_its_owner_and_takes_no_others_place(tmp_path: Path) -> None:
    path = tmp_path / "session.txt"
    write_recording(str(path), [conversation(*digest_bind())])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [read.octets for read in messages(read_recording(str(path)).conversations[0])] == [
        data for _, data in digest_bind()
    ]
    with pytest.raises(FileExistsError):
        write_recording(str(path), [])


def test_a_file_says_in_words_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "session.txt"
    write_recording(str(path), [conversation(*digest_bind()[:2], (True, simple(9, "cn=\x1b[2J", b"hush")))])
    text = path.read_text()
    assert '  # challenge: realm="contoso.com",nonce="abc",' in text
    assert "  # 'cn=\\x1b[2J' simple, password (not shown)" in text
    assert "hush" not in text
    assert b"hush".hex() in text


def test_comments_blank_lines_and_blanks_mean_nothing() -> None:
    text = (
        CONNECTION.replace("\n", "  # said so\n\n# grüße\n") + "1  >  0.000001 # there\n 30 0c\t02\n\n  0 1 # and\n"
    )
    (said,) = read(text).conversations
    assert [piece.data for piece in said.pieces] == [bytes.fromhex("300c0201")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "session.txt:0: no recording: it does not begin with 'ldapserver-recording 1' and 'began'"),
        ("hello\n", "session.txt:1: no recording"),
        ("ldapserver-recording 2\n", "session.txt:1: version 2: only version 1 is known here"),
        ("ldapserver-recording 1\nbegan yesterday\n", "session.txt:2: the second line has to be 'began'"),
        (BEGINNING + "connection 1\n", "session.txt:3: it has to be 'connection NUMBER at SECONDS"),
        (BEGINNING + "connection x at 0.000000 from a:1 to b:2\n", "session.txt:3: connection x: it has to be a n"),
        (BEGINNING + "2 > 0.000000\n", "session.txt:3: 2: no 'connection 2' stands before it"),
        (CONNECTION + "1 >\n", "session.txt:4: it has to be 'NUMBER > SECONDS'"),
        (CONNECTION + "1 > 0.1\n", "session.txt:4: 0.1: a time has to be seconds with six digits"),
        (CONNECTION + "1 > 0.100000 soon\n", "session.txt:4: soon: behind the time may stand"),
        (CONNECTION + "1 > 0.100000 lost 0\n", "session.txt:4: lost 0: behind the time may stand"),
        (CONNECTION + "30\n", "session.txt:4: 30: neither 'connection'"),
        (CONNECTION + "1 > 0.100000\n 3g\n", "session.txt:5: 3g: octets have to be hexadecimal digits"),
        (CONNECTION + "1 > 0.100000\n 300\n", "session.txt:5: octets have to be pairs"),
        (CONNECTION + "1 > 0.100000\n 30\n1 > 0.2\n", "session.txt:6: 0.2: a time has"),
        (CONNECTION + "1 > 0.100000\n1 > 0.200000\n 30\n", "session.txt:5: the block before this has no octets"),
        (CONNECTION + "1 > 0.100000\n", "session.txt:4: the block before this has no octets"),
        (CONNECTION + "ü\n", "session.txt:4: only comments may hold what is not ASCII"),
    ],
    ids=lambda value: value.rpartition("\n")[0][-12:].replace("\n", " ") if "\n" in value else "",
)
def test_what_is_wrong_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidRecording) as caught:
        read(text)
    assert str(caught.value).startswith(message)


@given(st.binary(max_size=200), st.booleans())
def test_any_octets_are_a_recording_or_are_refused(octets: bytes, begun: bool) -> None:
    with contextlib.suppress(InvalidRecording):
        assert len(read(CONNECTION.encode() + octets if begun else octets).conversations) >= begun


def test_ends_are_kept() -> None:
    (said,) = read(CONNECTION + "1 > 0.1 closed\n".replace("0.1", "0.100000") + "1 < -0.000001 reset\n").conversations
    assert [(piece.from_client, piece.end) for piece in said.pieces] == [(True, End.CLOSED), (False, End.RESET)]
    # A clock that was set back gives times before the beginning.
    assert said.pieces[1].at < said.pieces[0].at - 0.1


# Secrets

PASSWORD = b"correct horse"
ENTRY = m.SearchResultEntry("cn=u1", (m.PartialAttribute("userPassword;x-old", (PASSWORD, PASSWORD)),))


def secret_messages() -> list[tuple[str, bytes]]:
    from ldapserver.wire.filters import parse_filter
    from ldapserver.wire.messages import DerefAliases, Scope

    attribute = m.PartialAttribute("unicodePwd", (PASSWORD,))
    text = PASSWORD.decode()
    whole = f"(&(cn=a)(!(|(userPassword={text})(userPassword=*{text}*)(userPassword:2.5.13.18:={text}))))"
    entry = element(1, ENTRY)[7:]
    return [
        ("simple", simple(1, "cn=u1", PASSWORD)),
        ("plain", element(1, m.BindRequest(3, "", m.SaslAuthentication("PLAIN", b"\0u1\0" + PASSWORD)))),
        ("plain, malformed", element(1, m.BindRequest(3, "", m.SaslAuthentication("PLAIN", PASSWORD)))),
        ("bearer", element(1, m.BindRequest(3, "", m.SaslAuthentication("OAUTHBEARER", PASSWORD)))),
        ("add", element(1, m.AddRequest("cn=u1", (m.PartialAttribute("cn", (b"u1",)), attribute)))),
        ("modify", element(1, m.ModifyRequest("cn=u1", (m.Change(m.ModifyOperation.ADD, attribute),)))),
        ("entry", element(1, ENTRY)),
        ("compare", element(1, m.CompareRequest("cn=u1", "userPassword", PASSWORD))),
        (
            "filter",
            element(
                1,
                m.SearchRequest(
                    "", Scope.WHOLE_SUBTREE, DerefAliases.NEVER_DEREF_ALIASES, 0, 0, False, parse_filter(whole), ()
                ),
            ),
        ),
        (
            "password modify",
            element(1, m.ExtendedRequest("1.3.6.1.4.1.4203.1.11.1", b"\x30\x0f\x82\x0d" + PASSWORD)),
        ),
        (
            "made up",
            element(1, m.ExtendedResponse(m.ResultCode.SUCCESS, response_value=b"\x30\x0f\x80\x0d" + PASSWORD)),
        ),
        (
            "post-read",
            element(
                1,
                m.ModifyResponse(m.ResultCode.SUCCESS),
                m.Control("1.3.6.1.1.13.2", False, bytes([0x64, len(entry)]) + entry),
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "octets"), secret_messages(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_password_is_neither_in_words_nor_in_what_is_redacted(kind: str, octets: bytes) -> None:
    assert PASSWORD in octets
    (said,) = messages(conversation((True, octets)))
    assert PASSWORD not in block(1, 0, said, b"")
    hidden = redacted(said)
    assert PASSWORD not in hidden
    assert len(hidden) == len(octets)
    # Nothing else has changed: put back, it is what it was.
    assert hidden.replace(b"x" * len(PASSWORD), PASSWORD) == octets
    assert type(decode(hidden).operation) is type(decode(octets).operation)


def test_what_cannot_be_followed_is_hidden_whole() -> None:
    broken = b"\x30\x16\x02\x01\x01\x41\x11" + PASSWORD + b"abcd"
    cut = simple(1, "cn=u1", PASSWORD)[:-1]
    for octets in (broken, cut, b"no LDAP: " + PASSWORD):
        (said,) = messages(conversation((True, octets)))
        assert PASSWORD[:-1] not in redacted(said)
        assert len(redacted(said)) == len(octets)


def test_strings_of_digest_md5_stay() -> None:
    for from_client, octets in digest_bind():
        (said,) = messages(conversation((from_client, octets)))
        assert redacted(said) == octets


def test_a_redacted_file_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "session.txt")
    write_recording(path, [conversation((True, simple(1, "cn=u1", PASSWORD)))], redact=True)
    recording = read_recording(path)
    assert recording.redacted
    assert PASSWORD.hex() not in Path(path).read_text()
