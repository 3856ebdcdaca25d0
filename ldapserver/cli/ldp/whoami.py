"""`ldp whoami`: as whom a server takes one (RFC 4532)."""

import argparse
from collections.abc import Sequence
from typing import Any

from ldapserver.cli.ldp.connection import bound, command_parser, request_of, run
from ldapserver.cli.ldp.transcript import DASHES, Output
from ldapserver.cli.remote_passwd import WHO_AM_I
from ldapserver.printable import printable


def parser() -> argparse.ArgumentParser:
    """The command line."""
    who = command_parser(
        "whoami",
        "Ask an LDAP server as whom it takes you (RFC 4532).",
        "  ldp whoami ldap://127.0.0.1:3890 -u u1\n  ldp whoami ldap://127.0.0.1:3890 --json",
        more='--json: one object, {"authzid": "dn:uid=u1,ou=people,dc=contoso,dc=com"}; "" is nobody.',
    )
    who.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    return who


def main(arguments: Sequence[str]) -> int:
    """Ask; the exit status."""
    return run(parser(), arguments, _ask)


def _ask(options: argparse.Namespace, out: Output) -> int:
    with bound(request_of(options), out) as connection:
        out.say(f'ldap_extended_operation_s(ld, "{WHO_AM_I}", NULL, NULL, NULL, &retoid, &retdata)')
        connection.extended(WHO_AM_I)
        result: dict[str, Any] = connection.result
        if result["result"] != 0:
            refused = out.refused("Who am I", result)
            out.say(DASHES)
            raise refused
        authzid = bytes(result.get("responseValue") or b"").decode()
        out.say(f"Who am I: {printable(authzid) or '<anonymous>'}")
        out.say(DASHES)
        out.object({"authzid": authzid})
    return 0
