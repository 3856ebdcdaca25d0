"""`ldp wdigest`: the 29 forms, their hashes against those of real software, and stored values against a password."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ldapserver.cli.ldp import main
from sasl_digest.wdigest import pack, to_supplemental_credentials

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wdigest.json").read_text(encoding="utf-8"))["sets"]
DOMAIN = ["--netbios", "CONTOSO", "--dns", "contoso.com"]
U1 = "b57d463d9044a36bf3283cbef5b76014"  # MD5 of u1:CONTOSO:password


def arguments(vector: dict[str, Any]) -> list[str]:
    upn = vector["userPrincipalName"]
    names = ["--netbios", vector["netbios"], "--dns", vector["dns"]]
    return ["wdigest", vector["sAMAccountName"], *names, *([] if upn is None else ["--upn", upn])]


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_the_hashes_are_those_of_windows_and_samba(
    vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", vector["password"])
    assert main([*arguments(vector), "--json", "--utf-8"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["number"], each["user"], each["realm"], each["hash"]) for each in found] == [
        (each["index"], each["user"], each["realm"], each["hash"]) for each in vector["hashes"]
    ]


def test_names_beyond_ascii_are_hashed_in_iso_8859_1_without_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vector = next(each for each in VECTORS if each["sAMAccountName"] == "Jürgen")
    monkeypatch.setenv("LDP_PASSWORD", vector["password"])
    assert main([*arguments(vector), "--json"]) == 0
    found = [each["hash"] for each in json.loads(capsys.readouterr().out)]
    expected = vector["hashes_iso_8859_1_per_MS_SAMR"]
    assert found == [each["hash"] if isinstance(each, dict) else each for each in expected]


def test_the_table_has_a_line_for_each_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    assert main(["wdigest", "u1", *DOMAIN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["#", "user", "realm", "hash", "serves", "clients", "that", "send"]
    assert lines[1].split()[:4] == ["1", "u1", "CONTOSO", U1]
    assert lines[18].startswith("18  CONTOSO\\u1      (empty)")
    assert len(lines) == 30


def test_names_alone_need_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wdigest", "u1", *DOMAIN, "--no-hashes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 29
    assert set(found[0]) == {"number", "user", "realm", "serves"}


@pytest.mark.parametrize("whole", [False, True], ids=["WDIGEST_CREDENTIALS", "supplementalCredentials"])
def test_a_stored_value_is_compared_with_the_password(
    whole: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    assert main(["wdigest", "u1", *DOMAIN, "--json"]) == 0
    made = [bytes.fromhex(each["hash"]) for each in json.loads(capsys.readouterr().out)]
    blob = pack(made)
    text = base64.b64encode(to_supplemental_credentials(blob) if whole else blob).decode()
    assert main(["wdigest", "u1", *DOMAIN, "--blob", text, "--no-hashes"]) == 0
    ended = capsys.readouterr()
    assert ended.err == "ldp wdigest: 29 of 29 stored hashes are of this password and these names\n"
    assert U1 not in ended.out
    # Another domain's name: the forms with the DNS name and without a domain match still.
    assert main(["wdigest", "u1", "--netbios", "OTHER", "--dns", "contoso.com", "--blob", text, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    matching = [each["number"] for each in found if each["matches"]]
    assert matching == [*range(8, 18), *range(21, 27)]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ([], "the following arguments are required: USER, --netbios, --dns"),
        (["u1", *DOMAIN, "--blob", "???"], "argument --blob: is not base64"),
        (["u1", *DOMAIN, "--blob", "AAAA"], "argument --blob: is neither of the two: WDIGEST_CREDENTIALS: 3 octets"),
        (["", *DOMAIN], "argument USER: must not be empty"),
        (["u1", *DOMAIN, "-p", "x", "--password-stdin"], "argument --password-stdin: not allowed with argument -p"),
    ],
    ids=["nothing", "no-base64", "no-blob", "no-user", "two-passwords"],
)
def test_wrong_usage_is_64_and_one_line(
    given: list[str], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LDP_PASSWORD", "password")
    assert main(["wdigest", *given]) == 64
    ended = capsys.readouterr()
    assert ended.out == ""
    assert ended.err.startswith(f"ldp wdigest: {line}")
    assert ended.err.count("\n") == 1


def test_help_says_that_hashes_are_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(SystemExit) as ended:
        main(["wdigest", "--help"])
    assert ended.value.code == 0
    assert "treat this output as you treat passwords" in capsys.readouterr().out
