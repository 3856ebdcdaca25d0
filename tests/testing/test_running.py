"""A server for as long as a `with` lasts."""

import ldap3

from ldapserver.testing import running_server


def test_a_server_listens_and_is_gone() -> None:
    for _ in range(3):
        with running_server(suffix="dc=contoso,dc=com") as server:
            assert server.base_dn == "dc=contoso,dc=com"
            connection = ldap3.Connection(ldap3.Server(server.url, get_info=ldap3.DSA), auto_bind=True)
            assert connection.server.info.naming_contexts == ["dc=contoso,dc=com"]
            connection.unbind()
