"""A Twisted program with an LDAP server among its services: it starts and stops with the program.

    .venv/bin/python examples/twisted_service.py           binds once, in another thread, and ends
    .venv/bin/python examples/twisted_service.py --stay    until Ctrl-C

The same server without a program of yours around it: `twist ldapserver --ldif people.ldif`.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ldap3
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from ldapserver import BindRecord, Record
from ldapserver.twisted_service import LDAPService
from sasl_digest.ldap3 import Credentials, DigestConnection

PEOPLE = """\
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: uid=alice,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: Liddell
userPassword: wonderland
"""


class Telling:
    """A sink of our own, told of each bind before it is answered; anything with these two methods is one."""

    def write(self, records: Sequence[Record]) -> None:
        """Print the records that came to a verdict."""
        for record in records:
            if isinstance(record, BindRecord) and record.status is not None:
                print(record.account, record.status.hexadecimal, record.status.words, flush=True)

    def close(self) -> None:
        """There is nothing to close."""


def who_am_i(url: str) -> str:
    """What alice is told: ldap3 waits for answers, and so belongs in a thread."""
    server = ldap3.Server(url, get_info=ldap3.NONE)
    with DigestConnection(server, sasl_credentials=Credentials("alice", "wonderland")) as connection:
        return str(connection.extend.standard.who_am_i())


async def main(reactor: Any, *arguments: str) -> None:
    """Run the program's services; `reactor` is the one that it has chosen."""
    program = MultiService()  # type: ignore[no-untyped-call]  # Twisted's own, here and below
    with tempfile.TemporaryDirectory() as folder:
        people = Path(folder, "people.ldif")
        people.write_text(PEOPLE, encoding="utf-8")
        # Options as `ldapserver serve` has them; the file is read here, and what is wrong in it raised.
        server = LDAPService(ldif=people, listen="ldap://127.0.0.1:0", sinks=[Telling()])
    server.setServiceParent(program)  # type: ignore[no-untyped-call]
    program.startService()  # type: ignore[no-untyped-call]
    print(f"listening on {server.urls[0]}", flush=True)
    if "--stay" in arguments:
        reactor.addSystemEventTrigger("before", "shutdown", program.stopService)
        await Deferred()  # for ever: Ctrl-C stops the reactor
    print(await deferToThread(who_am_i, server.urls[0]))
    await program.stopService()  # type: ignore[no-untyped-call]
    print(f"listening on {len(server.urls)} addresses")


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor, *sys.argv[1:])))
