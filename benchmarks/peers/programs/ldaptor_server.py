"""ldaptor's server over a tree in memory: `python ldaptor_server.py USERS` says at which port it listens.

It runs in an interpreter that has ldaptor, and imports nothing of ours.
"""

import sys
from typing import Any

from ldaptor.inmemory import ReadOnlyInMemoryLDAPEntry
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet import protocol, reactor
from twisted.python.components import registerAdapter


class Factory(protocol.ServerFactory):
    """Connections to one tree."""

    protocol = LDAPServer
    noisy = False

    def __init__(self, root: Any) -> None:
        self.root = root


def tree(users: int) -> Any:
    """user1..userN below ou=people,dc=example,dc=org, as everybody here has them."""
    root = ReadOnlyInMemoryLDAPEntry(b"")
    at = root
    for rdn, name, kind in ((b"dc", b"org", b"domain"), (b"dc", b"example", b"domain"),
                            (b"ou", b"people", b"organizationalUnit")):  # fmt: skip
        at = at.addChild(rdn + b"=" + name, {b"objectClass": [kind], rdn: [name]})
    for number in range(1, users + 1):
        uid = b"user%d" % number
        attributes = {b"objectClass": [b"inetOrgPerson"], b"uid": [uid], b"cn": [b"User %d" % number],
                      b"sn": [b"Number%d" % number], b"mail": [uid + b"@example.org"],
                      b"userPassword": [b"pass%d" % number]}  # fmt: skip
        at.addChild(b"uid=" + uid, attributes)
    return root


def main() -> None:
    """Serve until told to stop."""
    register: Any = registerAdapter  # untyped
    register(lambda factory: factory.root, Factory, IConnectedLDAPEntry)
    running: Any = reactor
    factory: Any = Factory(tree(int(sys.argv[1])))
    port = running.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    running.run()


if __name__ == "__main__":
    main()
