"""USER:REALM:HASH lines: htdigest's files, samba-tool's output, and what is refused with its line."""

import json
from base64 import b64encode
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasl_digest import HA1, Password, UsageError, read_htdigest

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "wdigest.json").read_text(encoding="utf-8"))
SETS = [pytest.param(each, id=f"{each['sAMAccountName']}-{at}") for at, each in enumerate(VECTORS["sets"])]
GARY = "2204fcc247cb47ded249ef2fe0013255"  # of htdigest, quoted in Samba's user_wdigest.py


def ha1(username: str, realm: str, digits: str) -> HA1:
    return HA1(bytes.fromhex(digits), username=username, realm=realm)


def hashes(each: dict[str, Any]) -> dict[tuple[str, str], HA1]:
    return {(it["user"], it["realm"]): ha1(it["user"], it["realm"], it["hash"]) for it in each["hashes"]}


def test_htdigests_file_is_read() -> None:
    text = f"# of the site\n\ngary:fred:{GARY}\r\nJohn Doe::{GARY.upper()}\n"
    assert read_htdigest(text) == {
        ("gary", "fred"): ha1("gary", "fred", GARY),
        ("John Doe", ""): ha1("John Doe", "", GARY),
    }
    assert read_htdigest(text)["gary", "fred"].secrets("gary", "fred") == Password("password").secrets("gary", "fred")


def test_an_entry_is_offered_for_its_own_names_only() -> None:
    entry = read_htdigest(f"gary:fred:{GARY}")["gary", "fred"]
    assert entry.secrets("gary", "Fred") == entry.secrets("Gary", "fred") == ()


@pytest.mark.parametrize("text", ["", "\n", "  \n\n", "# nothing\n"])
def test_a_file_may_hold_nothing(text: str) -> None:
    assert read_htdigest(text) == {}


@pytest.mark.parametrize("each", SETS)
def test_the_29_lines_of_samba_tool_are_read_as_lines(each: dict[str, Any]) -> None:
    text = "".join(f"{item['user']}:{item['realm']}:{item['hash']}\n" for item in each["hashes"])
    assert read_htdigest(text) == hashes(each)


@pytest.mark.parametrize("each", SETS)
def test_samba_tools_output_is_read_as_it_is_printed(each: dict[str, Any]) -> None:
    text = "dn: CN=A name so long that it goes on,CN=Users,DC=contoso,\n DC=com\n"
    for item in each["hashes"]:
        line = f"{item['user']}:{item['realm']}:{item['hash']}"
        name = f"virtualWDigest{item['index']:02}:"
        whole = f"{name} {line}" if line.isascii() else f"{name}: {b64encode(line.encode()).decode()}"
        text += "\n ".join([whole[:77], *[whole[at : at + 76] for at in range(77, len(whole), 76)]]) + "\n"
    assert read_htdigest(text + "\nGot password OK\n") == hashes(each)


def test_a_user_may_be_called_dn() -> None:
    assert list(read_htdigest(f"dn: x:{GARY}\ndn:x:{GARY}")) == [("dn", " x"), ("dn", "x")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gary:fred", "line 1: a user, ':', a realm, ':' and 32"),
        (f"\n\ngary:{GARY}", "line 3: a user, ':', a realm, ':' and 32"),
        (f"gary:fred:{GARY[:-1]}", "line 1: a user"),
        (f"gary:fred:{GARY}0", "line 1: a user"),
        (f"gary:fred:{GARY[:-1]}g", "line 1: a user"),
        (f"gary:fr:ed:{GARY}", "line 1: a user"),
        (f"gary:fred:{GARY}\n more", "line 2: a user"),
        (f"dn:fred:{GARY[:-1]}", "line 1: a user"),
        ("virtualWDigest01: u1:CONTOSO", "line 1: a user"),
        ("virtualWDigest1: u1:CONTOSO:" + GARY, "line 1: a user"),
        ("x:y:" + GARY + "\nvirtualWDigest01:: !!!!", "line 2: behind '::' stands no base64"),
        ("virtualWDigest01:: /w==", "line 1: behind '::' stands no base64"),
        (f"u:r:{GARY}\nx:r:{GARY}\nu:r:{'0' * 32}", "line 3: the hash of 'u' in 'r' is another than in line 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_without_the_hash(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_htdigest(text)
    assert str(refused.value).startswith(f"htdigest: {said}")
    assert GARY[:16] not in str(refused.value)


def test_the_same_hash_may_come_again() -> None:
    assert len(read_htdigest(f"u:r:{GARY}\nu:r:{GARY.upper()}\n")) == 1


NAME = st.text(st.characters(codec="utf-8", exclude_characters=":\r\n"), max_size=10)
USER = NAME.filter(lambda name: name.strip() and not name.startswith("#"))


@given(st.dictionaries(st.tuples(USER, NAME), st.binary(min_size=16, max_size=16), max_size=5))
def test_whatever_the_names_lines_give_back_what_they_were_made_of(written: dict[tuple[str, str], bytes]) -> None:
    text = "".join(f"{user}:{realm}:{secret.hex()}\n" for (user, realm), secret in written.items())
    read = read_htdigest(text)
    assert {names: tuple(entry.secrets(*names)) for names, entry in read.items()} == {
        names: (secret,) for names, secret in written.items()
    }


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from([f"u:r:{GARY}", "virtualWDigest01:", ":", " ", "dn: x"])).map("\n".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UsageError):
        read_htdigest(text)


def test_a_large_file_is_read_in_one_pass() -> None:
    lines = [f"user{number}:r:{md5(b'%d' % number).hexdigest()}" for number in range(20_000)]
    folded = "virtualWDigest01: " + "\n ".join("x" * 20_000)
    assert len(read_htdigest("\n".join(lines))) == 20_000
    with pytest.raises(UsageError, match=r"line 1: "):
        read_htdigest(folded)
