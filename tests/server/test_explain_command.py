"""`ldp explain`: what it prints, what it keeps to itself, and its exit status."""

import json
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import dpkt
import pytest

from ldapserver.cli.ldp import main
from ldapserver.wire import codec
from ldapserver.wire.messages import BindRequest, BindResponse, LDAPMessage, ResultCode, SaslAuthentication
from sasl_digest.explaining import Exchange
from tests.engine.induced import CHALLENGE, SENT, Made, digits, exchange

PASSWORD = "Sesame-7"


def transcript(path: Path, hashed: Made = SENT, *, sent: Made = SENT, challenge: bytes = CHALLENGE) -> str:
    """A file with an exchange in it."""
    found = exchange(sent, hashed, challenge=challenge)
    file = path / "failed.txt"
    file.write_bytes(b"challenge: " + challenge + b"\nresponse: " + found.response + b"\n")
    return str(file)


@pytest.fixture(autouse=True)
def without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LDP_PASSWORD", "LDP_HA1"):
        monkeypatch.delenv(name, raising=False)


def test_the_reason_comes_first_and_then_every_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = transcript(tmp_path, SENT.hashing(realm=b"CONTOSO"))
    assert main(["explain", path, "-p", PASSWORD]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "The client hashed the realm 'CONTOSO' in place of 'contoso.com'."
    assert lines[1] == "  realm: the first label of 'contoso.com', in upper case"
    assert "  names    alice:contoso.com:(password)" in lines
    assert "  names    alice:CONTOSO:(password)" in lines
    assert f"  sent     {SENT.hashing(realm=b'CONTOSO').digest().decode()}" in lines
    assert PASSWORD not in out + err
    assert digits(b"alice:contoso.com:Sesame-7").decode() not in out


@pytest.mark.parametrize(
    ("hashed", "arguments", "status"),
    [
        (SENT, ["-p", PASSWORD], 0),
        (SENT, ["-p", PASSWORD, "--host", "dc1.contoso.com"], 0),
        (SENT, ["-p", PASSWORD, "--host", "dc2.contoso.com"], 1),
        (SENT.hashing(realm=b"CONTOSO"), ["-p", PASSWORD], 1),
        (SENT, ["-p", "another"], 2),
        (SENT, ["--no-password"], 3),
        (SENT, ["--no-password", "--service", "imap"], 1),
        (SENT, ["--no-such-option"], 64),
        (SENT, ["-p", PASSWORD, "--exchange", "2"], 64),
        (SENT, [], 64),
    ],
)
def test_exit_status_says_how_it_ended(
    hashed: Made,
    arguments: list[str],
    status: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.isatty", lambda _: False)
    assert main(["explain", transcript(tmp_path, hashed), *arguments]) == status
    out, err = capsys.readouterr()
    assert (out == "") is (status == 64)
    assert len(err.splitlines()) == (1 if status == 64 else 0)
    assert PASSWORD not in out + err


def test_the_password_may_come_by_the_environment_or_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = transcript(tmp_path)
    monkeypatch.setattr("ldapserver.cli.ldp.explain.from_stdin", lambda: PASSWORD)
    assert main(["explain", path, "--password-stdin"]) == 0
    monkeypatch.setenv("LDP_PASSWORD", PASSWORD)
    assert main(["explain", path]) == 0
    assert main(["explain", path, "-p", "another"]) == 2
    assert PASSWORD not in capsys.readouterr().out


def test_a_stored_hash_may_take_the_place_of_the_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = transcript(tmp_path)
    secret = digits(b"alice:contoso.com:Sesame-7").decode()
    stored = tmp_path / "htdigest"
    stored.write_text(f"# by htdigest\nalice:contoso.com:{secret}\nalice:CONTOSO:{secret[::-1]}\n")
    assert main(["explain", path, "--ha1-file", str(stored)]) == 0
    stored.write_text(secret + "\n")
    assert main(["explain", path, "--ha1-file", str(stored)]) == 0
    monkeypatch.setenv("LDP_HA1", secret)
    assert main(["explain", path]) == 0
    out, _ = capsys.readouterr()
    assert secret not in out
    assert "Not tried, for want of the password: other names" in out
    stored.write_text("alice\n")
    assert main(["explain", path, "--ha1-file", str(stored)]) == 64
    assert main(["explain", path, "--ha1-file", str(tmp_path / "none")]) == 64


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = transcript(tmp_path, SENT.hashing(session="hex"))
    assert main(["explain", path, "-p", PASSWORD, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["response"]["verdict"] == "reading"
    ((departure,),) = told["response"]["readings"]
    assert departure["aspect"] == "A1"
    assert told["right"] is False
    assert told["rspauth"] is None
    assert told["response"]["values"]["H(A1)"] is None
    assert told["response"]["values"]["A2"] == "AUTHENTICATE:ldap/dc1.contoso.com"


def test_hashes_are_shown_to_who_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", transcript(tmp_path), "-p", PASSWORD, "--show-hashes"]) == 0
    out, _ = capsys.readouterr()
    assert f"  secret   {digits(b'alice:contoso.com:Sesame-7').decode()}" in out
    assert PASSWORD not in out


def test_three_departures_are_tried_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = transcript(tmp_path, SENT.hashing(realm=b"CONTOSO", session="hex", nc=b"1"))
    assert main(["explain", path, "-p", PASSWORD]) == 2
    assert main(["explain", path, "-p", PASSWORD, "--deep"]) == 1
    assert "the realm 'CONTOSO'" in capsys.readouterr().out


def test_of_several_exchanges_one_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(transcript(tmp_path))
    path.write_bytes(path.read_bytes() * 2)
    assert main(["explain", str(path), "-p", PASSWORD]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "2 exchanges:",
        "  1  username alice",
        "  2  username alice",
        f"ldp explain: {path}: which of them? --exchange N",
    ]
    assert main(["explain", str(path), "-p", PASSWORD, "--exchange", "2"]) == 0


def test_standard_input_is_a_file_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = Path(transcript(tmp_path)).read_bytes()
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(octets)))
    assert main(["explain", "-", "-p", PASSWORD]) == 0
    assert main(["explain", "-", "--password-stdin"]) == 64
    assert "FILE is standard input already" in capsys.readouterr().err


@pytest.mark.parametrize("octets", [b"", b"\xff\xfe\x00", b"hello\n"])
def test_a_file_that_is_none_is_said_to_be(octets: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none"
    path.write_bytes(octets)
    assert main(["explain", str(path), "-p", PASSWORD]) == 64
    assert main(["explain", str(tmp_path / "absent"), "-p", PASSWORD]) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


def test_what_others_wrote_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = SENT.hashing(user=b"al\x1b[2Jice")
    assert main(["explain", transcript(tmp_path, sent, sent=sent), "-p", PASSWORD]) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("words", ["exit status: 0 all is right", "LDP_PASSWORD", "ldp explain failed.txt"])
def test_help_is_a_small_manual(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--help"])
    assert ended.value.code == 0
    assert words in capsys.readouterr().out


# Captures


def pcap(path: Path, *exchanges: Exchange) -> str:
    """A capture of binds, each over a connection of its own, refused."""
    file = path / "bind.pcap"
    with file.open("wb") as written:
        writer = dpkt.pcap.Writer(written)
        for number, found in enumerate(exchanges):
            at = [1, 1]
            for from_client, message in messages(found):
                source, target = (at[0], at[1]) if from_client else (at[1], at[0])
                ports = (50000 + number, 389) if from_client else (389, 50000 + number)
                segment = dpkt.tcp.TCP(
                    sport=ports[0], dport=ports[1], seq=source, ack=target, flags=dpkt.tcp.TH_ACK, data=message
                )
                packet = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=dpkt.ip.IP_PROTO_TCP, data=segment)
                packet.len = len(packet)
                writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=packet, type=0x0800)), ts=1.7e9 + number)
                at[0 if from_client else 1] += len(message)
    return str(file)


def messages(found: Exchange) -> Iterator[tuple[bool, bytes]]:
    """The four messages of a bind; whether each is the client's."""
    refused = BindResponse(ResultCode.INVALID_CREDENTIALS, diagnostic_message="Invalid credentials")
    for from_client, message_id, operation in (
        (True, 1, BindRequest(3, "", SaslAuthentication("DIGEST-MD5", None))),
        (False, 1, BindResponse(ResultCode.SASL_BIND_IN_PROGRESS, server_sasl_creds=found.challenge)),
        (True, 2, BindRequest(3, "", SaslAuthentication("DIGEST-MD5", found.response))),
        (False, 2, refused),
    ):
        yield from_client, codec.encode(LDAPMessage(message_id, operation))


def test_a_capture_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = exchange(SENT, SENT.hashing(realm=b"CONTOSO"))
    path = pcap(tmp_path, exchange(SENT, SENT), wrong)
    assert main(["explain", path, "-p", PASSWORD]) == 64
    listed = capsys.readouterr().err.splitlines()
    when = "2023-11-14 22:13:21 UTC, from 127.0.0.1:50001; username alice; result 49: Invalid credentials"
    assert listed[2] == f"  2  {when}"
    assert main(["explain", path, "-p", PASSWORD, "--exchange", "1"]) == 0
    assert main(["explain", path, "-p", PASSWORD, "--exchange", "2"]) == 1
    out = capsys.readouterr().out
    assert "The client hashed the realm 'CONTOSO' in place of 'contoso.com'." in out
    assert f"\nExchange: {when}\n" in out


def test_a_capture_that_is_none_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.pcap"
    path.write_bytes(bytes.fromhex("d4c3b2a1"))
    assert main(["explain", str(path), "-p", PASSWORD]) == 64
    assert str(path) in capsys.readouterr().err
