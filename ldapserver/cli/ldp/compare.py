"""`ldp compare`: whether an entry has a value."""

import argparse
from collections.abc import Sequence
from typing import Any

from ldapserver.cli.ldp.assertion import named_value
from ldapserver.cli.ldp.connection import bound, command_parser, request_of, run
from ldapserver.cli.ldp.transcript import DASHES, Output
from ldapserver.cli.ldp.values import shown
from ldapserver.printable import printable

FALSE, TRUE = 5, 6  # compareFalse and compareTrue, RFC 4511 section 4.10
DIFFERENT = 1  # the exit status of compareFalse


def parser() -> argparse.ArgumentParser:
    """The command line."""
    compare = command_parser(
        "compare",
        "Ask an LDAP server whether an entry has a value.",
        "  ldp compare ldap://127.0.0.1:3890 uid=u1,ou=people,dc=contoso,dc=com 'cn=una one' -u u1\n"
        "  ldp compare ldap://127.0.0.1:3890 uid=u1,ou=people,dc=contoso,dc=com cn::VW5hIE9uZQ== -u u1 --json",
        more='--json: one object, {"dn": "...", "attribute": "cn", "equal": true}.\n'
        "An exit status of 1 says that the value is another one, or else operationsError (1).",
    )
    compare.add_argument(
        "url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket"
    )
    compare.add_argument("dn", metavar="DN", help="the entry")
    compare.add_argument("assertion", metavar="ATTRIBUTE=VALUE", help="or ATTRIBUTE::BASE64")
    return compare


def main(arguments: Sequence[str]) -> int:
    """Ask; the exit status."""
    return run(parser(), arguments, _compare)


def _compare(options: argparse.Namespace, out: Output) -> int:
    attribute, value = named_value("ATTRIBUTE=VALUE", options.assertion)
    dn = printable(options.dn)
    with bound(request_of(options), out) as connection:
        out.say(f'ldap_compare_s(ld, "{dn}", "{attribute}", "{shown(attribute, value)}")')
        untyped: Any = connection
        untyped.compare(options.dn, attribute, value)
        result: dict[str, Any] = connection.result
        code: int = result["result"]
        if code not in (FALSE, TRUE):
            refused = out.refused("Compare", result)
            out.say(DASHES)
            raise refused
        out.say(f"Results: {'TRUE' if code == TRUE else 'FALSE'}. <{code}>")
        out.say(DASHES)
        out.object({"dn": options.dn, "attribute": attribute, "equal": code == TRUE})
    return 0 if code == TRUE else DIFFERENT
