"""Perl's Net::LDAP with Authen::SASL's own DIGEST-MD5 against our server."""

from pathlib import Path

import pytest

from tests.interop.conftest import absent, tool
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
MODULES = ("Net::LDAP", "Authen::SASL::Perl::DIGEST_MD5")  # the second wants Digest::HMAC_MD5, a package of its own


@pytest.fixture(scope="module")
def perl() -> str:
    """A perl that has the modules."""
    path = tool("perl")
    for module in MODULES:
        if run(path, f"-M{module}", "-e", "1")[0]:
            absent(f"Perl's {module}")
    return path


def client(perl: str, server: OurServer, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one run."""
    return run(perl, str(Path(__file__).parent / "clients" / "bind.pl"), server.named_url, *arguments)


def bound_as(user: str) -> tuple[int, str, str]:
    """What a run ends in that found all it looked for."""
    found = f"found: {U1} una.one@contoso.com\nschema: cn objectClass sn\n"
    return 0, f"who: dn:uid={user},{PEOPLE}\n{found}", ""


@every_account
def test_binds_and_searches(our_server: OurServer, perl: str, user: str, password: str) -> None:
    mark = our_server.mark()
    assert client(perl, our_server, "DIGEST-MD5", user, password) == bound_as(user)
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer, perl: str) -> None:
    mark = our_server.mark()
    answers = {client(perl, our_server, "DIGEST-MD5", user, WRONG) for user in REJECTED}
    assert answers == {(49, "", "49 Invalid credentials\n")}
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


def test_simple_bind(our_server: OurServer, perl: str) -> None:
    mark = our_server.mark()
    assert client(perl, our_server, "simple", f"uid=jürgen,{PEOPLE}", "pässwörd") == bound_as("jürgen")
    assert our_server.events(mark) == [simple("jürgen")]


def test_quotes_and_backslashes_in_a_user_name_arrive_as_they_are(our_server: OurServer, perl: str) -> None:
    mark = our_server.mark()
    assert client(perl, our_server, "DIGEST-MD5", 'a"b\\c,d=e', WRONG)[0] == 49
    assert our_server.events(mark) == [rejected('a"b\\c,d=e', REJECTED["nobody"], DIGEST_URI)]


def test_digest_uri_of_another_host_is_refused_even_with_the_password(our_server: OurServer, perl: str) -> None:
    mark = our_server.mark()
    answer = client(perl, our_server, "DIGEST-MD5", "u1", "password", "ldap.fabrikam.com")
    assert answer == (49, "", "49 Invalid credentials\n")
    (record,) = our_server.audit_records(mark)
    assert (record["event"]["code"], record["ldap"]["reason"]) == ("sasl-exchange", "digest-uri")
    assert record["ldap"]["digest_uri"] == "ldap/ldap.fabrikam.com"
