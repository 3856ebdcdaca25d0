"""`ldp add`: entries of LDIF, added to a server."""

import argparse
from collections.abc import Sequence

from ldapserver.cli.ldp.connection import command_parser, run
from ldapserver.cli.ldp.records import add_record_options, records, send
from ldapserver.cli.ldp.transcript import Output
from ldapserver.directory.ldif import AddRecord, EntryRecord, Record
from ldapserver.usage import UsageFault

CHANGES = '{"dn": "...", "operation": "add", "code": 0, "result": "success", "text": ""}'


def parser() -> argparse.ArgumentParser:
    """The command line."""
    add = command_parser(
        "add",
        "Add entries of an LDIF file to an LDAP server.",
        "  ldp add ldap://127.0.0.1:3892 new.ldif -u admin\n"
        "  LDP_PASSWORD='admin secret' ldp add ldap://127.0.0.1:3892 -u admin --json < new.ldif",
        more=f"--json: an object for each entry, {CHANGES}.",
    )
    add.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    add_record_options(add)
    return add


def main(arguments: Sequence[str]) -> int:
    """Add them; the exit status."""
    return run(parser(), arguments, _add)


def _add(options: argparse.Namespace, out: Output) -> int:
    return send(options, out, records(options, _only_entries))


def _only_entries(record: Record) -> None:
    if not isinstance(record, EntryRecord | AddRecord):
        raise UsageFault(f"line {record.line}: a change of another kind than add is for ldp modify")
