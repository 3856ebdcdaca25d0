"""`ldapserver check`: every problem of a configuration and of LDIF files by its place, and nothing done."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ldapserver.certificates import throw_away
from ldapserver.cli import main
from ldapserver.hosting.assembly import load
from ldapserver.hosting.options import read_options
from ldapserver.usage import UsageFault
from tests.interop.server import ROOT
from tests.server.audit_logs import VERDICT, opened, written

CONTOSO = str(ROOT / "examples" / "contoso.ldif")

DOMAIN = "dn: dc=x\nobjectClass: domain\ndc: x\n\n"

Check = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the command in an empty folder, where nothing may appear: its status, and the lines it prints."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> tuple[int, list[str]]:
        status = main(["check", *arguments])
        told = capsys.readouterr()
        assert os.listdir(folder) == []
        assert told.err == ""
        return status, told.out.splitlines()

    return run


Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an LDIF file; its path."""

    def write(text: str) -> str:
        path = tmp_path / "in.ldif"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return str(path)

    return write


def test_what_is_right_is_counted(check: Check) -> None:
    assert check(CONTOSO) == (
        0,
        [
            "31 entries, 14 accounts: 10 for DIGEST-MD5, 1 for simple binds only, 3 without a password; "
            "stored passwords: 9 CLEARTEXT, 1 HA1, 1 SSHA256",
            "0 errors, 0 warnings",
        ],
    )
    assert check("--ldif", CONTOSO) == check(CONTOSO)
    assert check() == (0, ["1 entry, 0 accounts", "0 errors, 0 warnings"])


def test_every_record_that_is_wrong_is_told_in_its_place(check: Check, write: Write) -> None:
    path = write(
        DOMAIN
        + "dn: uid=a,dc=x\nobjectClass: account\nuid a\n\n"  # 7
        + "dn: uid=b,dc=x\nobjectClass: account\nuserPassword: {CRYPT}hunter2\n\n"  # 9
        + "dn: uid=c,ou=none,dc=x\nobjectClass: account\n\n"  # 13
        + " folded\ndn: uid=d,dc=x\ncn: \udcff\n\n"  # 16, 18
        + "dn: dc=x\nobjectClass: domain\n\n"  # 20
        + "dn: uid=e,dc=x\nchangetype: delete\n\n"  # 23
        + "dn: uid=f,dc=x\nobjectClass: account\nuserPassword: {SSHA}AAAA\nauthzTo: nonsense\n"  # 26
    )
    status, lines = check(path)
    assert status == 1
    assert "hunter2" not in "\n".join(lines)
    told = [
        (7, "no ':' after the attribute"),
        (9, "uid=b,dc=x: {CRYPT} is no scheme known here"),
        (13, "there is no entry ou=none,dc=x above uid=c,ou=none,dc=x"),
        (16, "a continuation with no line before it"),
        (18, "not UTF-8"),
        (20, f"dc=x stands at {path}:1 already"),
        (23, "entries and changes in one file"),
        (26, "uid=f,dc=x: "),
    ]
    assert len(lines) == len(told) + 2
    for line, (number, words) in zip(lines, told, strict=False):
        assert line.startswith(f"{path}:{number}: error: {words}")
    assert lines[-1] == "8 errors, 0 warnings"


def test_every_entry_that_strict_refuses_is_told(check: Check, write: Write) -> None:
    path = write(
        DOMAIN
        + "dn: ou=p,dc=x\nobjectClass: organizationalUnit\nshoeSize: 37\n\n"  # 5
        + "dn: cn=a,dc=x\nobjectClass: person\n\n"  # 9
        + "dn: cn=b,ou=p,dc=x\nobjectClass: device\n"  # 12
    )
    assert check(path)[0] == 0
    status, lines = check(path, "--schema", "strict")
    assert (status, lines[-1]) == (1, "3 errors, 0 warnings")
    assert lines[:3] == [
        f"{path}:5: error: ou=p,dc=x: shoeSize: attribute type undefined",
        f"{path}:9: error: cn=a,dc=x: sn: required by the class person",
        f"{path}:12: error: there is no entry ou=p,dc=x above cn=b,ou=p,dc=x",
    ]


def test_it_finds_first_what_serve_ends_with(write: Write, check: Check) -> None:
    path = write(DOMAIN + "dn: uid=a,dc=x\nuid a\n\ndn: uid=b,dc=x\nuserPassword: {CRYPT}x\n")
    with pytest.raises(UsageFault) as fault:
        load(read_options(["--ldif", path]))
    _, lines = check(path)
    assert str(fault.value) == "argument --ldif: " + lines[0].replace("error: ", "")


def test_what_may_surprise_is_a_warning_and_no_problem(check: Check, write: Write) -> None:
    account = "dn: uid={0},dc=x\nobjectClass: account\nuid: {0}\n{1}\n"
    path = write(
        DOMAIN
        + account.format("a", "uid: same\nuserPassword: {HA1}X:00112233445566778899aabbccddeeff\n")
        + account.format("b", "uid: Same\nuserPassword: {HA1}other:00112233445566778899aabbccddeeff\n")
        + account.format("c", "userPrincipalName: d@x\n")
        + account.format("d", "")
    )
    status, lines = check(path, "--admin", "uid=A,dc=x", "--admin", "uid=nobody,dc=x")
    assert status == 0
    assert lines == [
        "warning: argument --admin: uid=nobody,dc=x: no account has this name",
        f"{path}:11: warning: uid=b,dc=x answers to 'same', and so does uid=a,dc=x: nobody can bind by that name",
        f"{path}:11: warning: uid=b,dc=x: {{HA1}} is of the realm 'other', and this server's is not",
        f"{path}:22: warning: uid=d,dc=x answers to 'd@x', and so does uid=c,dc=x: nobody can bind by that name",
        "5 entries, 4 accounts: 2 for DIGEST-MD5, 0 for simple binds only, 2 without a password; stored passwords: "
        "2 HA1",
        "0 errors, 4 warnings",
    ]


def test_where_records_and_metrics_would_go_is_looked_at(check: Check) -> None:
    status, lines = check("--audit", "x", "--audit", "./x", "--metrics", "0.0.0.0:9389")
    assert status == 1
    assert lines[0] == "error: argument --audit: ./x: is there already as x"
    assert lines[1].startswith("error: argument --metrics: 0.0.0.0:9389: others can reach this address")
    good = ("--audit", "syslog+tcp://192.0.2.1", "--audit", "xml:audit.xml", "--metrics", "127.0.0.1:0")
    assert check(*good) == (0, ["1 entry, 0 accounts", "0 errors, 0 warnings"])


def test_a_log_that_serve_could_not_go_on_with_is_an_error(check: Check, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("root:x:0:0\n")
    assert check("--audit", str(log)) == (
        1,
        [
            f"error: argument --audit: {log}: holds lines, and none is an audit record",
            "1 entry, 0 accounts",
            "1 error, 0 warnings",
        ],
    )
    assert log.read_text() == "root:x:0:0\n"
    log.write_bytes(b"")
    (tmp_path / "log.1.gz").write_bytes(b"\x1f\x8bno")
    assert "is damaged" in check("--audit", f"xml:{log}")[1][0]
    os.unlink(log)
    assert "is damaged" in check("--audit", str(log))[1][0]


def test_a_log_that_is_in_order_is_left_as_it_is(check: Check, tmp_path: Path) -> None:
    log = tmp_path / "log"
    written(log, VERDICT)
    with log.open("ab") as file:
        file.write(b'{"half')
    before, stamp = log.read_bytes(), log.stat().st_mtime_ns
    assert check("--audit", str(log))[0] == 0
    assert (log.read_bytes(), log.stat().st_mtime_ns, os.listdir(tmp_path)) == (before, stamp, ["log", "here"])


def test_a_log_that_a_server_writes_is_a_warning(check: Check, tmp_path: Path) -> None:
    sink = opened(tmp_path / "log")
    try:
        assert check("--audit", str(tmp_path / "log")) == (
            0,
            [
                f"warning: argument --audit: {tmp_path / 'log'}: another process writes this log",
                "1 entry, 0 accounts",
                "0 errors, 1 warning",
            ],
        )
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/dev/null", "--audit-sync"], "/dev/null: is no file that could be synced"),
        (["/dev/null", "--audit-rotate-every", "1d"], "/dev/null: is no file that could be rotated"),
        (["{folder}/fifo", "--audit-sync"], "{folder}/fifo: is a FIFO, and no file that could be synced"),
        (["{folder}"], "{folder}: Is a directory"),
        (["{folder}/none/log"], "{folder}/none/log: No such file or directory"),
        (["/dev/null/log"], "/dev/null/log: Not a directory"),
    ],
)
def test_what_no_log_can_be_is_told_as_serve_tells_it(
    arguments: list[str], said: str, check: Check, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "fifo")
    options = ["--audit", *(each.format(folder=tmp_path) for each in arguments)]
    said = f"argument --audit: {said.format(folder=tmp_path)}"
    assert check(*options)[1][0] == f"error: {said}"
    assert main(["serve", "--listen", "ldap://127.0.0.1:0", *options]) == 2
    assert capsys.readouterr().err == f"ldapserver serve: {said}\n"


def test_json_is_one_object(check: Check, write: Write) -> None:
    path = write(DOMAIN + "dn: uid=a,dc=x\nuid a\n\ndn: uid=b,dc=x\nuserPassword: x\n")
    status, (line,) = check(path, "--json", "--audit", "syslog:x")
    assert status == 1
    found: dict[str, Any] = json.loads(line)
    assert found == {
        "findings": [
            {
                "severity": "error",
                "message": "argument --audit: syslog:x: must look like syslog:///dev/log",
                "file": None,
                "line": None,
            },
            {
                "severity": "error",
                "message": "no ':' after the attribute (RFC 2849, attrval-spec)",
                "file": path,
                "line": 6,
            },
        ],
        "entries": 2,
        "accounts": 1,
        "digest_md5": 1,
        "simple_only": 0,
        "no_password": 0,
        "schemes": {"CLEARTEXT": 1},
    }


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--config", "/none.toml"], "argument --config: /none.toml: No such file or directory"),
        (["/none.ldif"], "argument --ldif: /none.ldif: No such file or directory"),
        (["--save", "/none/x"], "argument --save: /none/x: No such file or directory"),
        (["--listen", "ldap://0.0.0.0"], "argument --listen: ldap://0.0.0.0:389: others can reach this address, and"),
        (["--audit", "/none/x"], "argument --audit: /none/x: No such file or directory"),
        (["--audit", "xml:/"], "argument --audit: xml:/: Is a directory"),
        (["--audit", "/dev/null/x"], "argument --audit: /dev/null/x: Not a directory"),
        (["--realm", "Ж", "--charset", "none"], "realm: not in ISO 8859-1, and charset is none"),
        (["--realm", "x" * 3000], "argument --realm: digest-challenge: "),
        (["--tls-cert", "/none", "--tls-key", "/none"], "argument --tls-cert: /none: No such file or directory"),
        (["--tls-ca-out", "x"], "argument --tls-ca-out: x: there is no such CA without --tls auto"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_that_serve_would_refuse_are_problems(arguments: list[str], line: str, check: Check) -> None:
    status, lines = check(*arguments)
    assert status == 1
    assert lines[0].startswith(f"error: {line}")
    assert lines[-1] == "1 error, 0 warnings"


def test_a_configuration_file_is_checked_with_its_ldif(check: Check, write: Write, tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text(f'ldif = ["{write(DOMAIN + "dn: uid=a,dc=x")}"]\n')
    status, lines = check("--config", str(config))
    assert (status, lines[0]) == (1, f"{tmp_path / 'in.ldif'}:5: error: an entry has one attribute at least "
                                  "(RFC 2849, ldif-attrval-record)")  # fmt: skip
    config.write_text("qop = 1\n")
    status, lines = check("--config", str(config))
    assert (status, lines[0].startswith(f"error: argument --config: {config}: argument --qop: ")) == (1, True)


def test_a_certificate_and_key_that_do_not_belong_together_are_a_problem(check: Check, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    (one, _), (other, _) = throw_away(["localhost"]), throw_away(["localhost"])
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(one.chain[0].public_bytes(Encoding.PEM))
    for made, status in ((other, 1), (one, 0)):
        key.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        assert check("--tls-cert", str(cert), "--tls-key", str(key))[0] == status


def test_what_cannot_be_understood_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--nonsense"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "ldapserver check: unrecognized arguments: --nonsense\n")
