"""Bind with ldap3 and our plugin, and believe the server only when it has proved that it knows the password too.

    make serve                                                            in another terminal
    .venv/bin/python examples/bind_with_ldap3.py [URL [USER [PASSWORD]]]

ldap3's own DIGEST-MD5 takes any server's word for it; that is what the plugin is for.
"""

import sys

import ldap3
from ldap3.core.exceptions import LDAPExceptionError

from sasl_digest.ldap3 import Credentials, DigestBindError, DigestConnection


def main(url: str = "ldap://127.0.0.1:3890", user: str = "u1", password: str = "password") -> int:
    """Bind, say who that makes us, and list who has a mail address; 0 when it went well, else the result code."""
    server = ldap3.Server(url, get_info=ldap3.DSA)  # reads the root DSE: what the server is and holds
    connection = DigestConnection(server, sasl_credentials=Credentials(user, password))
    try:
        if not connection.bind():
            print(f"The server refuses {user}: {connection.result['description']}")
            return int(connection.result["result"])
    except DigestBindError as error:
        # Whoever answers there is not to be trusted, or no server of DIGEST-MD5; the connection is not bound.
        print(f"We refuse the server: {error}")
        return 1
    except LDAPExceptionError as error:
        print(f"Nobody can be asked: {error}")
        return 1
    # From here on, rspauth has been verified.
    print("We are", connection.extend.standard.who_am_i())
    connection.search(server.info.naming_contexts[0], "(mail=*)", attributes=["cn", "mail"])
    for entry in connection.entries:
        print(f"{entry.cn}: {entry.mail}")
    connection.unbind()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
