"""Java's JNDI with the JDK's own DIGEST-MD5 against our server."""

from pathlib import Path

import pytest

from tests.interop.conftest import tool
from tests.interop.server import (
    PEOPLE,
    REJECTED,
    SUCCESS,
    U1,
    WRONG,
    Event,
    OurServer,
    every_account,
    rejected,
    run,
    simple,
)

DIGEST_URI = "ldap/localhost"  # the host of the URL, as it was written
REFUSAL = (49, "", "[LDAP: error code 49 - Invalid credentials]\n")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client, compiled once: a source file takes a second to start."""
    folder = tmp_path_factory.mktemp("classes")
    source = Path(__file__).parent / "clients" / "Bind.java"
    status, _, error = run(tool("javac"), "-d", str(folder), str(source))
    assert status == 0, error
    return folder


def client(classes: Path, server: OurServer, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run."""
    quickly = ("-XX:TieredStopAtLevel=1", "-Xshare:auto")
    return run(tool("java"), *quickly, "-cp", str(classes), "Bind", server.named_url, *arguments)


def bound_as(user: str) -> tuple[int, str, str]:
    """What a run ends in that found all it looked for."""
    found = f"found: {U1} una.one@contoso.com\nschema: [cn, sn]\n"
    return 0, f"who: dn:uid={user},{PEOPLE}\n{found}", ""


@every_account
def test_binds_and_searches(our_server: OurServer, classes: Path, user: str, password: str) -> None:
    mark = our_server.mark()
    assert client(classes, our_server, "DIGEST-MD5", user, password) == bound_as(user)
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer, classes: Path) -> None:
    mark = our_server.mark()
    assert {client(classes, our_server, "DIGEST-MD5", user, WRONG) for user in REJECTED} == {REFUSAL}
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


def test_simple_bind(our_server: OurServer, classes: Path) -> None:
    mark = our_server.mark()
    assert client(classes, our_server, "simple", f"uid=jürgen,{PEOPLE}", "pässwörd") == bound_as("jürgen")
    assert our_server.events(mark) == [simple("jürgen")]


def test_realm_is_the_domain_by_its_netbios_name_too(our_server: OurServer, classes: Path) -> None:
    mark = our_server.mark()
    assert client(classes, our_server, "DIGEST-MD5", "u1", "password", "CONTOSO") == bound_as("u1")
    assert our_server.events(mark) == [Event("u1", SUCCESS, DIGEST_URI, realm="CONTOSO")]


def test_other_realm_is_refused_like_an_unknown_user(our_server: OurServer, classes: Path) -> None:
    mark = our_server.mark()
    assert client(classes, our_server, "DIGEST-MD5", "u1", "password", "fabrikam.com") == REFUSAL
    assert our_server.events(mark) == [
        Event("u1", REJECTED["nobody"], DIGEST_URI, realm="fabrikam.com", result_code=49)
    ]


def test_quotes_and_backslashes_in_a_user_name_arrive_as_they_are(our_server: OurServer, classes: Path) -> None:
    mark = our_server.mark()
    assert client(classes, our_server, "DIGEST-MD5", 'a"b\\c,d=e', WRONG) == REFUSAL
    assert our_server.events(mark) == [rejected('a"b\\c,d=e', REJECTED["nobody"], DIGEST_URI)]
