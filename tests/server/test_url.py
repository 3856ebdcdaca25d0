"""The URLs a server listens on: what each says, and why another is none."""

import pytest

from ldapserver.url import InvalidURL, ListenURL, is_loopback


@pytest.mark.parametrize(
    ("text", "url", "written"),
    [
        ("ldap://127.0.0.1:3890", ListenURL("127.0.0.1", 3890), "ldap://127.0.0.1:3890"),
        ("ldap://127.0.0.1", ListenURL("127.0.0.1", 389), "ldap://127.0.0.1:389"),
        ("ldaps://127.0.0.1:6360", ListenURL("127.0.0.1", 6360, tls=True), "ldaps://127.0.0.1:6360"),
        ("LDAPS://[::1]", ListenURL("::1", 636, tls=True), "ldaps://[::1]:636"),
        ("ldap://127.0.0.1:0/", ListenURL("127.0.0.1", 0), "ldap://127.0.0.1:0"),
        ("LDAP://LocalHost:1", ListenURL("localhost", 1), "ldap://localhost:1"),
        ("ldap://[::1]:3890", ListenURL("::1", 3890), "ldap://[::1]:3890"),
        ("ldap://[fe80::1%eth0]:1", ListenURL("fe80::1%eth0", 1), "ldap://[fe80::1%eth0]:1"),
        ("ldapi://%2Frun%2FLdapi", ListenURL(path="/run/Ldapi"), "ldapi://%2Frun%2FLdapi"),
        ("ldapi://%2Ftmp%2Fa%20b/", ListenURL(path="/tmp/a b"), "ldapi://%2Ftmp%2Fa%20b"),
    ],
)
def test_a_url_says_where_to_listen_and_is_written_as_it_is_read(text: str, url: ListenURL, written: str) -> None:
    assert ListenURL.parse(text) == url
    assert str(url) == written
    assert ListenURL.parse(written) == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must begin with"),
        ("127.0.0.1:389", "must begin with"),
        ("http://127.0.0.1", "must begin with"),
        ("ldaps:127.0.0.1", "nothing may follow"),
        ("ldaps://", "needs an address"),
        ("ldap://", "needs an address"),
        ("ldap://:389", "needs an address"),
        ("ldap://user@127.0.0.1", "needs an address"),
        ("ldap://127.0.0.1:x", "port must be a number"),
        ("ldap://127.0.0.1:65536", "port must be a number"),
        ("ldap://127.0.0.1:-1", "port must be a number"),
        ("ldap://127.0.0.1/dc=com", "nothing may follow"),
        ("ldap://127.0.0.1?x", "nothing may follow"),
        ("ldap://127.0.0.1#x", "nothing may follow"),
        ("ldap://[::1", "IPv6"),
        ("ldap://[x]:1", "does not appear"),
        ("ldap://a\u2100b", "NFKC"),
        ("ldapi://", "absolute path"),
        ("ldapi://run", "absolute path"),
        ("ldapi:///run/ldapi", "nothing may follow"),
        ("ldapi://%2Frun%00", "%00"),
    ],
)
def test_what_is_no_url_to_listen_on_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidURL, match=why) as refused:
        ListenURL.parse(text)
    assert str(refused.value).startswith(f"{text}: ")


def test_an_address_is_taken_as_it_is() -> None:
    assert ListenURL("::1", 389).address() == "::1"
    assert ListenURL("192.0.2.1", 389).address() == "192.0.2.1"


def test_a_name_is_looked_up() -> None:
    assert is_loopback(ListenURL("localhost", 389).address())


@pytest.mark.parametrize("host", ["host.invalid", "x" * 80, "."])
def test_a_name_that_is_nobodys_is_refused(host: str) -> None:
    with pytest.raises(InvalidURL, match=r"^ldap://[^ ]*:389: ."):
        ListenURL(host, 389).address()


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        *[("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)],
        *[("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("fe80::1%eth0", False), ("192.0.2.1", False)],
    ],
)
def test_only_loopback_is_out_of_reach_for_others(address: str, ours: bool) -> None:
    assert is_loopback(address) is ours
