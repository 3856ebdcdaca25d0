"""Each example runs by itself and prints what it says it prints."""

import ast
import json
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

from sasl_digest import DigestChallenge
from tests.docs.pages import snippets
from tests.interop.conftest import ScriptedServer, lying
from tests.interop.server import ENVIRONMENT, ROOT, running_server

EXAMPLES = ROOT / "examples"
VECTORS = ROOT / "tests" / "vectors" / "digest_md5.json"


def example(name: str, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    ended = subprocess.run(command, env=ENVIRONMENT | variables, capture_output=True, timeout=60, check=False)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


def test_every_example_is_run_by_a_test() -> None:
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    run = {
        call.args[0].value
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("example", "started")
        if isinstance(call.args[0], ast.Constant)
    }
    assert run == {path.name for path in EXAMPLES.glob("*.py")}


def test_demo_shows_three_binds_and_their_records() -> None:
    status, output, error = example("demo.py", COLUMNS="80")
    assert status == 0, output + error
    transcripts = re.split(r"^ld = ldap_open\(", output, flags=re.MULTILINE)[1:]
    assert len(transcripts) == 3
    assert "Server proved itself: rspauth verified.\nAuthenticated as: 'CONTOSO\\u1'." in transcripts[0]
    assert ["Error <49>" in transcript for transcript in transcripts] == [False, True, True]
    records = [line for line in output.splitlines() if "WDigest" in line]
    assert [re.findall(r"\b(u1|nobody|0x[0-9a-f]+)\b", line) for line in records] == [
        ["u1", "0x0"],
        ["u1", "0xc000006a"],
        ["nobody", "0xc0000064"],
    ]
    assert output.endswith("Each came out as it should.\n")


def test_bind_with_ldap3_lists_who_has_a_mail_address(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        mark = server.mark()
        assert example("bind_with_ldap3.py", server.url) == (
            0,
            "We are dn:uid=u1,ou=people,dc=contoso,dc=com\n"
            "Una One: una.one@contoso.com\n"
            "Jürgen Groß: juergen.gross@contoso.com\n"
            "Alice Apple: alice.apple@contoso.com\n"
            "Bob Baker: bob.baker@contoso.com\n",
            "",
        )
        refusal = (49, "The server refuses u1: invalidCredentials\n", "")
        assert example("bind_with_ldap3.py", server.url, "u1", "letmein") == refusal
        assert [(event.account, event.status) for event in server.events(mark)] == [
            ("u1", "0x0"),
            ("u1", "0xc000006a"),
        ]


def test_bind_with_ldap3_refuses_a_server_that_proves_nothing() -> None:
    server = ScriptedServer(verdict=lying)
    try:
        status, output, error = example("bind_with_ldap3.py", server.url)
    finally:
        server.close()
    assert (status, error) == (1, "")
    assert output.startswith("We refuse the server: ")


def test_bind_with_ldap3_says_so_where_nobody_listens() -> None:
    server = ScriptedServer()
    server.close()
    status, output, error = example("bind_with_ldap3.py", server.url)
    assert (status, error) == (1, "")
    assert output.startswith("Nobody can be asked: ")


def test_engine_alone_prints_the_four_strings() -> None:
    status, output, error = example("engine_alone.py")
    assert (status, error) == (0, "")
    initial, challenge, response, proof, sure = output.splitlines()
    assert initial == "C: "
    nonce = re.fullmatch(
        r'S: qop="auth",algorithm=md5-sess,nonce="([\w-]+)",charset=utf-8,realm="example\.org"', challenge
    )
    assert nonce is not None
    assert response.startswith(f'C: charset=utf-8,username="alice",realm="example.org",nonce="{nonce[1]}",')
    assert re.fullmatch(r"S: rspauth=[0-9a-f]{32}", proof)
    assert sure == "The server is sure of alice in example.org, and the client of the server."


def test_engine_in_imap_has_the_exchange_of_the_rfc() -> None:
    status, output, error = example("engine_in_imap.py")
    assert (status, error) == (0, "")
    *lines, sure, same = output.splitlines()
    (printed,) = [
        item
        for item in json.loads(VECTORS.read_text(encoding="utf-8"))["items"]
        if item["name"] == "RFC 2831 IMAP example"
    ]
    begin, challenge, response, proof, thanks, end = lines
    assert (begin, thanks, end) == ("C: a AUTHENTICATE DIGEST-MD5", "C: ", "S: a OK User logged in")
    assert b64decode(response.removeprefix("C: ")).decode() == printed["response"]
    assert b64decode(proof.removeprefix("S: + ")).decode() == printed["rspauth"]
    # The RFC's challenge has its directives in another order.
    ours, theirs = b64decode(challenge.removeprefix("S: + ")), printed["challenge"].encode()
    assert DigestChallenge.parse(ours) == DigestChallenge.parse(theirs)
    assert (sure, same) == ("Both sides are sure.", "Response and proof are as RFC 2831 prints them.")


def test_engine_in_imap_logs_nobody_in_with_a_wrong_password() -> None:
    status, output, error = example("engine_in_imap.py", "chris", "Secret")
    assert (status, error) == (1, "")
    assert output.splitlines()[-3:] == [
        "S: a NO Authentication failed",
        "Nobody is logged in.",
        "Response and proof are NOT as RFC 2831 prints them.",
    ]


def started(name: str, *arguments: str) -> subprocess.Popen[str]:
    """An example that goes on until it is told to end."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=pipe, stderr=pipe, encoding="utf-8")


def test_embedded_in_twisted_tells_of_the_first_bind_and_ends() -> None:
    with started("embedded_in_twisted.py", "--once") as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        bound = example("bind_with_ldap3.py", url, "alice", "wonderland")
        output, error = process.communicate(timeout=30)
    assert bound == (0, "We are dn:uid=alice,dc=example,dc=org\nAlice: alice@example.org\n", "")
    assert (process.returncode, output, error) == (0, "alice 0x0 Status OK.\n", "")


def test_twisted_service_is_bound_to_and_stops() -> None:
    status, output, error = example("twisted_service.py")
    assert (status, error) == (0, "")
    listening, *rest = output.splitlines()
    assert re.fullmatch(r"listening on ldap://127\.0\.0\.1:[0-9]+", listening)
    assert rest == ["alice 0x0 Status OK.", "dn:uid=alice,dc=example,dc=org", "listening on 0 addresses"]


def test_flask_login_passes_its_own_suite() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    folder = EXAMPLES / "flask_login"
    ended = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^[0-9]+ passed(, [0-9]+ warnings)? in ", ended.stdout, re.MULTILINE), ended.stdout


def test_what_the_page_shows_of_other_languages_is_theirs() -> None:
    page = ROOT / "docs" / "howto" / "other-languages.md"
    shown = [each.text for each in snippets(page) if each.language in ("", "java", "javascript")]
    files = [path.read_text(encoding="utf-8") for path in (EXAMPLES / "other_languages").glob("*/*")]
    assert len(shown) == 5
    for lines in shown:
        assert any(lines in text for text in files), lines
