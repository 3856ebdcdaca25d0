"""Java's JNDI with the JDK's own DIGEST-MD5 against our server."""

from pathlib import Path

from tests.interop.conftest import QUICKLY, tool
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


def client(bind_class: Path, server: OurServer, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run."""
    return run(tool("java"), *QUICKLY, "-cp", str(bind_class), "Bind", server.named_url, *arguments)


def bound_as(user: str) -> tuple[int, str, str]:
    """What a run ends in that found all it looked for."""
    found = f"found: {U1} una.one@contoso.com\nschema: [cn, sn]\n"
    return 0, f"who: dn:uid={user},{PEOPLE}\n{found}", ""


@every_account
def test_binds_and_searches(our_server: OurServer, bind_class: Path, user: str, password: str) -> None:
    mark = our_server.mark()
    assert client(bind_class, our_server, "DIGEST-MD5", user, password) == bound_as(user)
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer, bind_class: Path) -> None:
    mark = our_server.mark()
    assert {client(bind_class, our_server, "DIGEST-MD5", user, WRONG) for user in REJECTED} == {REFUSAL}
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


def test_simple_bind(our_server: OurServer, bind_class: Path) -> None:
    mark = our_server.mark()
    assert client(bind_class, our_server, "simple", f"uid=jürgen,{PEOPLE}", "pässwörd") == bound_as("jürgen")
    assert our_server.events(mark) == [simple("jürgen")]


def test_realm_is_the_domain_by_its_netbios_name_too(our_server: OurServer, bind_class: Path) -> None:
    mark = our_server.mark()
    assert client(bind_class, our_server, "DIGEST-MD5", "u1", "password", "CONTOSO") == bound_as("u1")
    assert our_server.events(mark) == [Event("u1", SUCCESS, DIGEST_URI, realm="CONTOSO")]


def test_other_realm_is_refused_like_an_unknown_user(our_server: OurServer, bind_class: Path) -> None:
    mark = our_server.mark()
    assert client(bind_class, our_server, "DIGEST-MD5", "u1", "password", "fabrikam.com") == REFUSAL
    assert our_server.events(mark) == [
        Event("u1", REJECTED["nobody"], DIGEST_URI, realm="fabrikam.com", result_code=49)
    ]


def test_quotes_and_backslashes_in_a_user_name_arrive_as_they_are(our_server: OurServer, bind_class: Path) -> None:
    mark = our_server.mark()
    assert client(bind_class, our_server, "DIGEST-MD5", 'a"b\\c,d=e', WRONG) == REFUSAL
    assert our_server.events(mark) == [rejected('a"b\\c,d=e', REJECTED["nobody"], DIGEST_URI)]
