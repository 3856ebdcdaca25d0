"""A server inside a Twisted program: its own entries, its own listener, and word of every bind.

    .venv/bin/python examples/embedded_in_twisted.py           until Ctrl-C
    .venv/bin/python examples/embedded_in_twisted.py --once    until somebody has bound

Then, in another terminal, with the URL that it prints:

    .venv/bin/python examples/bind_with_ldap3.py URL alice wonderland
"""

import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ldapserver import AuditLog, BindRecord, Config, MemoryDirectory, Record, Service
from ldapserver.directory.ldif import read_ldif
from ldapserver.protocol import LDAPFactory

ENTRIES = """\
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: uid=alice,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: Liddell
mail: alice@example.org
userPassword: wonderland
"""


class Telling:
    """A sink of our own, told of each bind before it is answered; anything with these two methods is one."""

    def __init__(self) -> None:
        self.first: Deferred[None] = Deferred()

    def write(self, records: Sequence[Record]) -> None:
        """Print the records that came to a verdict."""
        for record in records:
            if isinstance(record, BindRecord) and record.status is not None:
                print(record.account, record.status.hexadecimal, record.status.words, flush=True)
                if not self.first.called:
                    self.first.callback(None)

    def close(self) -> None:
        """There is nothing to close."""


async def main(reactor: Any, *arguments: str) -> None:
    """Serve; `reactor` is the program's, whatever else it does with it."""
    config = Config(realm="example.org", netbios="EXAMPLE", hosts=("localhost", "127.0.0.1"))
    directory = MemoryDirectory.from_records(read_ldif(ENTRIES, "ENTRIES"))
    telling = Telling()  # beside it there is room for a FileSink, which writes the records of event 4776
    service = Service.assemble(config, directory, AuditLog([telling], report=print))

    factory = LDAPFactory(service, reactor)
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    print(f"listening on ldap://127.0.0.1:{port.getHost().port}", flush=True)

    if "--once" not in arguments:
        await Deferred()  # for ever: Ctrl-C stops the reactor
    await telling.first
    await factory.farewell()  # until whoever is connected has gone
    await port.stopListening()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, *sys.argv[1:])))
