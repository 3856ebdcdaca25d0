"""`ldp bind`: the transcript as a whole, the exit status, and what it says when nothing works."""

import errno
import io
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

import sasl_digest
from ldapserver.cli.ldp import main
from ldapserver.cli.ldp.connection import CIPHERS, QOPS
from sasl_digest import QOP, Cipher
from tests.interop.conftest import CHALLENGE, Answer, Scripted, asking, honest, lying
from tests.interop.server import OurServer

COMMAND = [sys.executable, "-m", "ldapserver.cli.ldp"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sasl_digest.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}


def ldp(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run."""
    run = subprocess.run([*COMMAND, *arguments], input=stdin, env=ENVIRONMENT, capture_output=True, encoding="utf-8")
    assert "Traceback" not in run.stderr
    return run.returncode, run.stdout, run.stderr


def connected(port: int) -> str:
    """What comes before a bind to a ScriptedServer."""
    return f"""\
ld = ldap_open("127.0.0.1", {port});
Established connection to 127.0.0.1.
Retrieving base DSA information...
Getting 1 entries:
Dn: (RootDSE)
namingContexts: dc=contoso,dc=com;\x20
objectClass: top;\x20
supportedLDAPVersion: 3;\x20
supportedSASLMechanisms (2): DIGEST-MD5; EXTERNAL;\x20
-----------
"""


def test_transcript_of_a_bind(scripted: Scripted) -> None:
    server = scripted()
    assert ldp("bind", server.url, "-u", "u1", "-p", "password") == (
        0,
        connected(server.port)
        + """\
res = ldap_bind_s(ld, NULL, &NtAuthIdentity, DIGEST (16518)); // v.3
{NtAuthIdentity: User='u1'; Pwd=<unavailable>; domain = 'NULL'}
Server proved itself: rspauth verified.
Authenticated as: 'contoso.com\\u1'.
-----------
""",
        "",
    )


@pytest.mark.parametrize(
    ("options", "layer"),
    [
        (["--qop", "auth"], ""),
        (["--qop", "auth-int"], "Security layer: auth-int.\n"),
        (["--qop", "auth-conf"], "Security layer: auth-conf, cipher 3des.\n"),
        (["--qop", "auth-conf", "--cipher", "rc4"], "Security layer: auth-conf, cipher rc4.\n"),
    ],
)
def test_transcript_says_which_layer_is_there(our_server: OurServer, options: Sequence[str], layer: str) -> None:
    mark = our_server.mark()
    status, transcript, error = ldp("bind", our_server.url, "-u", "u1", "-p", "password", *options)
    assert (status, error) == (0, "")
    assert transcript.endswith(
        f"Server proved itself: rspauth verified.\n{layer}Authenticated as: 'contoso.com\\u1'.\n-----------\n"
    )
    (record,) = our_server.audit_records(mark)
    told = [name for name in (record["ldap"]["qop"], record["ldap"]["cipher"]) if name]
    assert told == (options[1:2] if not layer else layer[len("Security layer: ") : -2].split(", cipher "))


def test_cipher_that_the_server_does_not_offer(our_server: OurServer) -> None:
    status, transcript, error = ldp(
        "bind", our_server.url, "-u", "u1", "-p", "password", "--qop", "auth-conf", "--cipher", "des"
    )
    assert transcript.endswith("Error <80>: ldap_bind_s() failed: Other.\nServer error: <empty>\n-----------\n")
    assert (status, error) == (80, "ldp: DIGEST-MD5: des is not offered; the server offers 3des, rc4\n")


def test_transcript_with_a_domain_that_was_not_offered(scripted: Scripted) -> None:
    server = scripted()
    assert ldp("bind", server.url, "-u", "u1", "-d", "CONTOSO", "--password-stdin", stdin="password\n") == (
        0,
        connected(server.port)
        + """\
res = ldap_bind_s(ld, NULL, &NtAuthIdentity, DIGEST (16518)); // v.3
{NtAuthIdentity: User='u1'; Pwd=<unavailable>; domain = 'CONTOSO'}
Note: realm 'CONTOSO' was not offered (offered: 'contoso.com').
Server proved itself: rspauth verified.
Authenticated as: 'CONTOSO\\u1'.
-----------
""",
        "",
    )


def test_transcript_of_a_wrong_password(scripted: Scripted) -> None:
    server = scripted()
    assert ldp("bind", server.url, "-u", "u1", "-p", "Password") == (
        49,
        connected(server.port)
        + """\
res = ldap_bind_s(ld, NULL, &NtAuthIdentity, DIGEST (16518)); // v.3
{NtAuthIdentity: User='u1'; Pwd=<unavailable>; domain = 'NULL'}
Error <49>: ldap_bind_s() failed: Invalid Credentials.
Server error: Invalid credentials
-----------
""",
        "",
    )


def test_transcript_of_a_domain_controllers_refusal(scripted: Scripted) -> None:
    # its diagnosticMessage as in ldap3 issue 1102, with the NUL octet at its end
    text = "8009030C: LdapErr: DSID-0C0905D2, comment: AcceptSecurityContext error, data 52e, v4563\0"
    server = scripted(verdict=lambda response: Answer(49, None, text))
    assert ldp("bind", server.url, "-u", "u1", "-p", "x") == (
        49,
        connected(server.port)
        + """\
res = ldap_bind_s(ld, NULL, &NtAuthIdentity, DIGEST (16518)); // v.3
{NtAuthIdentity: User='u1'; Pwd=<unavailable>; domain = 'NULL'}
Error <49>: ldap_bind_s() failed: Invalid Credentials.
Server error: 8009030C: LdapErr: DSID-0C0905D2, comment: AcceptSecurityContext error, data 52e, v4563
Error 0x8009030C The logon attempt failed
-----------
""",
        "",
    )


def test_transcript_of_a_server_that_lies(scripted: Scripted) -> None:
    server = scripted(verdict=lying)
    assert ldp("bind", server.url, "-u", "u1", "-p", "password") == (
        82,
        connected(server.port)
        + """\
res = ldap_bind_s(ld, NULL, &NtAuthIdentity, DIGEST (16518)); // v.3
{NtAuthIdentity: User='u1'; Pwd=<unavailable>; domain = 'NULL'}
Error <82>: ldap_bind_s() failed: Local Error.
Server error: <empty>
-----------
""",
        "ldp: DIGEST-MD5: the server's rspauth is wrong: it does not know the secret\n",
    )


def test_transcript_of_simple_binds(scripted: Scripted) -> None:
    server = scripted()
    assert ldp("bind", server.url, "--simple", "-u", "uid=u1,dc=contoso,dc=com", "-p", "password") == (
        0,
        connected(server.port)
        + """\
res = ldap_simple_bind_s(ld, 'uid=u1,dc=contoso,dc=com', <unavailable>); // v.3
Authenticated as: 'uid=u1,dc=contoso,dc=com'.
-----------
""",
        "",
    )
    assert ldp("bind", server.url, "--simple", "-u", "uid=u1,dc=contoso,dc=com", "-p", "Password") == (
        49,
        connected(server.port)
        + """\
res = ldap_simple_bind_s(ld, 'uid=u1,dc=contoso,dc=com', <unavailable>); // v.3
Error <49>: ldap_simple_bind_s() failed: Invalid Credentials
Server error: <empty>
-----------
""",
        "",
    )
    assert server.binds == []


def test_transcript_of_a_server_that_is_not_there(scripted: Scripted) -> None:
    server = scripted()
    server.close()
    assert ldp("bind", server.url, "-u", "u1", "-p", "password") == (
        81,
        f'ld = ldap_open("127.0.0.1", {server.port});\nError <0x51>: Fail to connect to 127.0.0.1.\n',
        f"ldp: {server.url} cannot be reached: "
        f"socket connection error while opening: [Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}\n",
    )


def test_server_that_hangs_up_in_the_middle_of_the_bind(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: None)
    status, transcript, error = ldp("bind", server.url, "-u", "u1", "-p", "password")
    assert transcript.endswith("Error <81>: ldap_bind_s() failed: Server Down.\nServer error: <empty>\n-----------\n")
    assert (status, error) == (81, f"ldp: {server.url}: session terminated by server\n")


def test_bind_that_the_client_breaks_off(scripted: Scripted) -> None:
    server = scripted(opening=lambda: asking(CHALLENGE.replace(b'"auth"', b'"auth-int"')))
    status, transcript, error = ldp("bind", server.url, "-u", "u1", "-p", "password")
    assert transcript.endswith("Error <80>: ldap_bind_s() failed: Other.\nServer error: <empty>\n-----------\n")
    assert (status, error) == (80, "ldp: DIGEST-MD5: auth is not offered; the server offers auth-int\n")


def test_mechanism_that_the_server_does_not_have(scripted: Scripted) -> None:
    status, transcript, _ = ldp("bind", scripted(opening=lambda: Answer(7)).url, "-u", "u1", "-p", "password")
    assert status == 7
    assert "Error <7>: ldap_bind_s() failed: Auth Method Not Supported.\n" in transcript


@pytest.mark.parametrize("code", [118, 200])
def test_codes_beyond_rfc_4511s_are_80(scripted: Scripted, code: int) -> None:
    status, _, _ = ldp("bind", scripted(verdict=lambda response: Answer(code)).url, "-u", "u1", "-p", "password")
    assert status == 80


def test_no_octet_of_the_servers_reaches_the_terminal_as_control(scripted: Scripted) -> None:
    server = scripted(verdict=lambda response: Answer(49, None, "\x1b[2Jno\nAuthenticated as: 'root'."))
    _, transcript, _ = ldp("bind", server.url, "-u", "u1", "-p", "x")
    assert "Server error: \\x1b[2Jno\\nAuthenticated as: 'root'.\n" in transcript


def test_host_name_is_what_digest_uri_says(scripted: Scripted) -> None:
    server = scripted()
    assert ldp("bind", server.url, "-u", "u1", "-p", "password", "--host-name", "dc1.contoso.com")[0] == 0
    assert b'digest-uri="ldap/dc1.contoso.com"' in server.responses[0]


def test_real_slapd(slapd: str) -> None:
    status, transcript, _ = ldp("bind", slapd, "-u", "jürgen", "--password-stdin", stdin="pässwörd\n")
    assert status == 0
    assert "namingContexts: dc=contoso,dc=com; \n" in transcript
    assert transcript.endswith(
        "Server proved itself: rspauth verified.\nAuthenticated as: 'contoso.com\\jürgen'.\n-----------\n"
    )
    status, transcript, _ = ldp("bind", slapd, "-u", "u1", "-p", "Password")
    assert status == 49
    assert "Error <49>: ldap_bind_s() failed: Invalid Credentials.\nServer error: SASL(-13)" in transcript


# The command line.


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["bind"], "the following arguments are required: URL"),
        (["bind", "ldaps://h/dc=x", "-u", "u1", "-p", "x"], "ldaps://h/dc=x: nothing may follow the address"),
        (["bind", "h:389", "-u", "u1", "-p", "x"], "h:389: must begin with ldap://, ldaps:// or ldapi://"),
        (["bind", "http://h", "-u", "u1", "-p", "x"], "http://h: must begin with ldap://, ldaps:// or ldapi://"),
        (["bind", "ldap://", "-u", "u1", "-p", "x"], "ldap://: needs an address"),
        (["bind", "ldap://h:0", "-u", "u1", "-p", "x"], "ldap://h:0: the port must be a number from 1 to 65535"),
        (["bind", "ldap://h:65536", "-u", "u1", "-p", "x"], "ldap://h:65536: the port must be a number from"),
        (["bind", "ldap://h/dc=x", "-u", "u1", "-p", "x"], "ldap://h/dc=x: nothing may follow the address"),
        (["bind", "ldap://h", "-u", "", "-p", "x"], "--user: must not be empty"),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--host-name", ""], "--host-name: must not be empty"),
        (["bind", "ldap://h", "-u", "u1"], "no terminal to ask for the password: use --password-stdin"),
        (["bind", "ldap://h", "-u", "u1", "--password-stdin"], "--password-stdin: standard input is empty"),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--password-stdin"], "not allowed with argument -p/--password"),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--simple", "-d", "D"], "--domain: has no place in a simple"),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--simple", "--qop", "auth"], "--qop: has no place in a simple"),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--simple", "--cipher", "rc4"], "--cipher: has no place in a"),
        (
            ["bind", "ldap://h", "-u", "u1", "-p", "x", "--cipher", "rc4"],
            "--cipher: has no place without --qop auth-c",
        ),
        (
            ["bind", "ldap://h", "-u", "u1", "-p", "x", "--qop", "auth-int", "--cipher", "rc4"],
            "--cipher: has no place without --qop auth-conf",
        ),
        (["bind", "ldap://h", "-u", "u1", "-p", "x", "--qop", "none"], "argument --qop: invalid choice: 'none'"),
        (
            ["bind", "ldap://h", "-u", "u1", "-p", "x", "--qop", "auth-conf", "--cipher", "aes"],
            "invalid choice: 'aes'",
        ),
        (["bind", "ldap://h", "-u", "u1", "-p", "", "--simple"], "--simple: an empty password would bind as nobody"),
        (["bind", "ldap://h", "-u", "u\udcff", "-p", "x"], "--user: is not UTF-8"),
    ],
)
def test_usage_error_is_64_and_one_line(
    arguments: Sequence[str], error: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LDP_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    try:
        status: object = main(arguments)
    except SystemExit as ended:
        status = ended.code
    shown, said = capsys.readouterr()
    assert (status, shown) == (64, "")
    assert error in said
    assert said.startswith("ldp")
    assert said.count("\n") == 1


def test_protections_to_choose_from_are_the_engines() -> None:
    assert list(QOPS) == [qop.decode() for qop in QOP]
    assert set(CIPHERS) == {cipher.decode() for cipher in Cipher}


def test_help_shows_an_example_and_loads_no_client() -> None:
    program = (
        "import sys; from ldapserver.cli.ldp import main\n"
        "try: main(['bind', '--help'])\n"
        "finally: sys.stderr.write(' '.join({'ldap3', 'pyasn1', 'twisted'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "ldp bind ldap://127.0.0.1:3890 -u u1 -d CONTOSO" in run.stdout


def test_prompt_asks_at_the_terminal_without_echo(scripted: Scripted) -> None:
    server = scripted()
    terminal, of_child = pty.openpty()
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        # the first terminal that the leader of a session opens becomes its own
        run = subprocess.Popen(
            ["sh", "-c", 'exec "$@" < "$TERMINAL"', "sh", *COMMAND, "bind", server.url, "-u", "u1", "-p", "prompt"],
            env={**ENVIRONMENT, "TERMINAL": os.ttyname(of_child)},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        shown = b""
        while not shown.endswith(b"Password for u1: "):
            shown += screen.read(1)
        screen.write(b"password\n")
        transcript, _ = run.communicate()
        os.close(of_child)
        assert run.returncode == 0
        assert b"Authenticated as: 'contoso.com\\u1'." in transcript
        assert b"password" not in transcript
        assert b"password" not in screen.read(100)


def test_interrupt_ends_it_in_one_line(scripted: Scripted) -> None:
    leave = threading.Event()

    def never() -> None:
        leave.wait()

    server = scripted(opening=never)
    with subprocess.Popen(
        [*COMMAND, "bind", server.url, "-u", "u1", "-p", "password"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith("{NtAuthIdentity"):
                break
        run.send_signal(signal.SIGINT)
        _, error = run.communicate()
    leave.set()
    assert (run.returncode, error) == (130, "ldp: interrupted\n")


def test_reader_that_leaves_early_is_no_error(scripted: Scripted) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [*COMMAND, "bind", scripted().url, "-u", "u1", "-p", "password"],
        env=ENVIRONMENT,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert (run.returncode, run.stderr) == (141, b"")


def test_stale_nonce_is_no_news_to_the_user(scripted: Scripted) -> None:
    verdicts = iter([lambda response: asking(CHALLENGE + b",stale=true"), honest])
    server = scripted(verdict=lambda response: next(verdicts)(response))
    assert ldp("bind", server.url, "-u", "u1", "-p", "password")[0] == 0


def test_name_that_no_host_can_have_is_a_usage_error() -> None:
    url = f"ldap://{'h' * 64}.example"
    run = subprocess.run(
        [*COMMAND, "bind", url, "-u", "u1", "-p", "x"], stdin=subprocess.DEVNULL, env=ENVIRONMENT, capture_output=True
    )
    assert (run.returncode, run.stderr.decode()) == (64, f"ldp: {url}: no host has such a name\n")


def test_no_command_prints_the_usage() -> None:
    run = subprocess.run(COMMAND, stdin=subprocess.DEVNULL, env=ENVIRONMENT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (64, "")
    assert run.stderr.startswith("usage: ldp COMMAND")
