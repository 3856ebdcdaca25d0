"""`ldp rootdse`: what a server says of itself."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ldapserver.cli.ldp.connection import bound, command_parser, request_of, run
from ldapserver.cli.ldp.entries import say_root_dse
from ldapserver.cli.ldp.transcript import DASHES, Form, Output, Refused
from ldapserver.cli.remote import name_and_attributes
from ldapserver.directory.ldif import Attributes

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection


def parser() -> argparse.ArgumentParser:
    """The command line."""
    read = command_parser(
        "rootdse",
        "Show the root DSE of an LDAP server: what it holds and what it can do (RFC 4512 section 5.1).",
        "  ldp rootdse ldap://127.0.0.1:3890\n"
        "  ldp rootdse ldaps://dc1.contoso.com --ca ca.pem --json\n"
        "  ldp rootdse ldap://127.0.0.1:3890 -u u1 -a supportedControl,supportedExtension",
        forms=(Form.JSON, Form.LDIF),
    )
    read.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    read.add_argument(
        "-a", "--attributes", metavar="NAME,...", help="what to ask for; default: all, operational ones too"
    )
    return read


def main(arguments: Sequence[str]) -> int:
    """Show it; the exit status."""
    return run(parser(), arguments, _show)


def _show(options: argparse.Namespace, out: Output) -> int:
    attributes = [each for each in (options.attributes or "*,+").split(",") if each]
    with bound(request_of(options), out) as connection:
        found, refused = read_root_dse(connection, out, attributes)
        if refused is not None:
            raise refused
        out.entries(("", each) for each in found)
        out.end_of_entries()
    return 0


def read_root_dse(
    connection: "DigestConnection", out: Output, attributes: list[str]
) -> tuple[list[Attributes], Refused | None]:
    """Ask for it and say it; what is in it, and what to raise where that was refused."""
    out.say("Retrieving base DSA information...")
    connection.search("", "(objectClass=*)", "BASE", attributes=attributes)
    result: dict[str, Any] = connection.result
    refused = out.refused("Search", result) if result["result"] != 0 else None
    found = [name_and_attributes(each)[1] for each in connection.response or () if each["type"] == "searchResEntry"]
    out.say(f"Getting {len(found)} entries:")
    say_root_dse(out, found)
    out.say(DASHES)
    return found, refused
