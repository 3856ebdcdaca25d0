"""`ldapserver record` and `ldapserver replay` as they are typed, and what their page says."""

import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ldap3
import pytest
from ldap3.core.exceptions import LDAPExceptionError

from ldapserver.capture.messages import START_TLS, messages
from ldapserver.capture.recorder import write_recording
from ldapserver.capture.recording import read_recording
from ldapserver.cli import main
from ldapserver.testing import running_server
from ldapserver.wire import messages as m
from sasl_digest.ldap3 import Credentials, DigestConnection
from tests.capture.conversations import bound, conversation, digest_bind, element, simple
from tests.interop.server import ENVIRONMENT, ROOT

USER = "uid=u1,ou=people,dc=contoso,dc=com"


class Running:
    """A command that listens; `status` and `said` are there when it has ended."""

    url: str
    status: int
    said: str


@contextmanager
def running(*arguments: str, stdin: bytes = b"") -> Iterator[Running]:
    """One that says where it listens, and ends by SIGTERM."""
    command = [sys.executable, "-m", "ldapserver", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=ENVIRONMENT, stdin=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(stdin)
        process.stdin.close()
        listening = process.stderr.readline().decode()
        found = Running()
        try:
            found.url = listening.split()[-1]
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            found.said = listening + process.stderr.read().decode()
            found.status = process.wait(timeout=30)


def session(url: str) -> str:
    """A bind by DIGEST-MD5 and a search."""
    credentials = Credentials("u1", "password")
    with DigestConnection(ldap3.Server(url, get_info=ldap3.NONE), sasl_credentials=credentials) as connection:
        connection.search("dc=contoso,dc=com", "(uid=u1)", attributes=["cn"])
        return str(connection.entries[0].cn)


def test_a_session_is_recorded_and_played(tmp_path: Path) -> None:
    out, capture, ready = tmp_path / "session.txt", tmp_path / "session.pcap", tmp_path / "ready"
    with running_server(ldif=[str(ROOT / "examples" / "contoso.ldif")]) as server:
        files = ["--out", str(out), "--pcap", str(capture), "--ready-file", str(ready)]
        with running("record", "--to", server.url, *files) as recorder:
            assert session(recorder.url) == "Una One"
            assert ready.read_text() == f"{recorder.url}\n"
    assert recorder.status == 0, recorder.said
    assert not ready.exists()
    assert f"ldapserver: to {server.url}, into {out} and {capture}\n" in recorder.said
    assert [stat.S_IMODE(each.stat().st_mode) for each in (out, capture)] == [0o600, 0o600]
    for path in (out, capture):
        with running("replay", str(path), "--strict", "--password-stdin", stdin=b"password\n") as player:
            assert session(player.url) == "Una One"
        assert (player.status, "never asked" in player.said) == (0, False), player.said


def test_a_killed_recorder_has_written_what_it_handed_on(tmp_path: Path) -> None:
    out = tmp_path / "session.txt"
    with running_server(ldif=[str(ROOT / "examples" / "contoso.ldif")]) as server:
        command = [sys.executable, "-m", "ldapserver", "record", "--to", server.url, "--out", str(out)]
        with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            url = process.stderr.readline().decode().split()[-1]
            client = ldap3.Connection(ldap3.Server(url, get_info=ldap3.NONE), USER, "password", auto_bind=True)
            process.kill()
        client.strategy.close()
    (said,) = read_recording(str(out)).conversations
    assert [type(read.message.operation) for read in messages(said) if read.message] == [  # type: ignore[union-attr]
        m.BindRequest,
        m.BindResponse,
    ]


def test_strict_ends_with_1_for_what_was_never_asked(tmp_path: Path) -> None:
    path = tmp_path / "session.txt"
    write_recording(
        str(path), [conversation((True, simple(1, "cn=a", b"1")), (False, bound(1, m.ResultCode.SUCCESS)))]
    )
    with running("replay", str(path), "--strict") as player:
        pass
    assert player.status == 1
    assert player.said.endswith("never asked: connection 1: bindRequest 1 'cn=a' simple, password (not shown)\n")


def test_a_capture_becomes_a_readable_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, capture, second = (str(tmp_path / name) for name in ("1.txt", "2.pcap", "3.txt"))
    write_recording(first, [conversation(*digest_bind(), (True, simple(5, "cn=a", b"secret")))])
    assert main(["record", "--from", first, "--pcap", capture]) == 0
    assert main(["record", "--from", capture, "--out", second, "--redact"]) == 0
    assert Path(second).read_text().count("\n  # ") == Path(first).read_text().count("\n  # ")
    assert b"secret".hex() not in Path(second).read_text()
    # What is redacted stays so.
    assert main(["record", "--from", second, "--out", str(tmp_path / "4.txt")]) == 0
    assert read_recording(str(tmp_path / "4.txt")).redacted
    assert capsys.readouterr() == ("", "")


STARTED_TLS = (
    (True, element(1, m.ExtendedRequest(START_TLS))),
    (False, element(1, m.ExtendedResponse(m.ResultCode.SUCCESS))),
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["record", "--to", "ldap://127.0.0.1"], "one of --out and --pcap is needed"),
        (["record", "--to", "x", "--out", "OUT"], "x: must begin with ldap://"),
        (["record", "--to", "ldap://h", "--out", "HERE"], "argument --out: HERE: File exists"),
        (
            ["record", "--to", "ldap://h", "--listen", "ldap://0.0.0.0:0", "--out", "OUT"],
            "argument --listen: ldap://0",
        ),
        (
            ["record", "--to", "ldap://h", "--listen", "ldaps://127.0.0.1:0", "--out", "OUT"],
            "argument --listen: ldaps",
        ),
        (["record", "--to", "ldap://h", "--tls", "auto", "--out", "OUT"], "argument --tls: is for --listen ldaps://"),
        (["record", "--to", "ldap://h", "--ca", "HERE", "--out", "OUT"], "argument --ca: is for --to ldaps://"),
        (
            ["record", "--to", "ldaps://h", "--ca", "HERE", "--out", "OUT"],
            "argument --ca: HERE: holds no certificate",
        ),
        (["record", "--from", "NONE", "--out", "OUT"], "NONE: No such file or directory"),
        (["record", "--from", "BAD", "--out", "OUT"], "argument --from: BAD:1: no recording"),
        (["replay", "NONE"], "NONE: No such file or directory"),
        (["replay", "BAD"], "BAD:1: no recording"),
        (["replay", "EMPTY"], "EMPTY: there is no request in it that can be read"),
        (["replay", "TLS", "--strict"], "TLS: connection 1: what is inside TLS cannot be replayed"),
        (["replay", "HERE", "--listen", "ldaps://127.0.0.1:0"], "argument --listen: a replay speaks in the clear"),
    ],
    ids=lambda value: "-".join(value[:3]).replace("/", "") + str(len(value)) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: str(tmp_path / name) for name in ("OUT", "HERE", "NONE", "BAD", "EMPTY", "TLS")}
    write_recording(files["HERE"], [conversation(*digest_bind())])
    write_recording(files["EMPTY"], [])
    write_recording(files["TLS"], [conversation(*STARTED_TLS, (True, b"\x16\x03\x01"))])
    Path(files["BAD"]).write_text("hello\n")
    assert main([files.get(argument, argument) for argument in arguments]) == 2
    said = capsys.readouterr().err.replace(f"{tmp_path}/", "")
    assert said.startswith(f"ldapserver {arguments[0]}: {message}")
    assert said.count("\n") == 1
    assert not Path(files["OUT"]).exists()


# TLS, terminated here


@pytest.mark.filterwarnings("ignore:ssl.match_hostname")  # which ldap3 2.9.1 uses
def test_tls_on_both_sides_is_recorded_readable(tmp_path: Path) -> None:
    import ssl

    server_ca, our_ca, out = (str(tmp_path / name) for name in ("server.pem", "ours.pem", "session.txt"))
    ldif = str(ROOT / "examples" / "contoso.ldif")
    tls = ["--tls", "auto", "--tls-ca-out"]
    audit = ["--audit", str(tmp_path / "audit.jsonl")]
    with (
        running("serve", "--ldif", ldif, *tls, server_ca, *audit, "--listen", "ldaps://127.0.0.1:0") as server,
        running(
            "record",
            "--to",
            server.url,
            "--ca",
            server_ca,
            "--listen",
            "ldaps://127.0.0.1:0",
            *tls,
            our_ca,
            "--out",
            out,
        ) as recorder,
    ):
        trusting = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=our_ca)
        client = ldap3.Connection(ldap3.Server(recorder.url, tls=trusting, get_info=ldap3.NONE), USER, "password")
        assert client.bind()
        client.unbind()
    assert recorder.status == 0, recorder.said
    (said,) = read_recording(out).conversations
    operations = [read.message.operation for read in messages(said) if read.message]  # type: ignore[union-attr]
    assert isinstance(operations[0], m.BindRequest)
    assert operations[0].name == USER


def test_a_server_of_another_ca_is_not_recorded(tmp_path: Path) -> None:
    server_ca, our_ca, out = (str(tmp_path / name) for name in ("server.pem", "ours.pem", "session.txt"))
    tls = ["--tls", "auto", "--tls-ca-out"]
    audit = ["--audit", str(tmp_path / "audit.jsonl")]
    with (
        running("serve", *tls, server_ca, *audit, "--listen", "ldaps://127.0.0.1:0") as server,
        running("serve", *tls, our_ca, *audit[:1], str(tmp_path / "other"), "--listen", "ldaps://127.0.0.1:0"),
        running("record", "--to", server.url, "--ca", our_ca, "--out", out) as recorder,
    ):
        client = ldap3.Connection(ldap3.Server(recorder.url, get_info=ldap3.NONE), USER, "hush")
        with pytest.raises(LDAPExceptionError):
            client.bind()
        client.strategy.close()
    assert "TLS failed" in recorder.said
    assert "certificate verify failed" in recorder.said
