"""The fixtures of the pytest plugin."""

from collections.abc import Callable

from ldapserver.testing import Server


def test_servers_of_one_test_are_of_their_own(
    ldap_server: Server, ad_server: Server, ldap_server_factory: Callable[..., Server]
) -> None:
    third = ldap_server_factory(suffix="dc=contoso,dc=com")
    assert len({ldap_server.url, ad_server.url, third.url}) == 3
    assert (ldap_server.base_dn, third.base_dn) == ("dc=example,dc=com", "dc=contoso,dc=com")
