"""`ldp modify`: changes of LDIF, or of the command line, made on a server."""

import argparse
from collections.abc import Iterator, Sequence

from ldapserver.cli.ldp.assertion import named_value
from ldapserver.cli.ldp.connection import command_parser, run
from ldapserver.cli.ldp.records import add_record_options, records, send
from ldapserver.cli.ldp.transcript import Output
from ldapserver.directory.ldif import EntryRecord, ModifyRecord, Record
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, DN, InvalidDN
from ldapserver.wire.messages import Change, ModifyOperation, PartialAttribute

_OPERATIONS = {
    "add": ModifyOperation.ADD,
    "delete": ModifyOperation.DELETE,
    "replace": ModifyOperation.REPLACE,
    "increment": ModifyOperation.INCREMENT,
}
_MORE = """\
The changes are made in the order in which they stand; values of one attribute that stand side by side are one change.
FILE has change records (RFC 2849) of every kind, add, delete and modrdn too.

--json: an object for each record, {"dn": "...", "operation": "modify", "code": 0, "result": "success", "text": ""}.
"""


class _Changing(argparse.Action):
    """Keeps the changes in one list, in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        namespace.changes = [*(namespace.changes or ()), (self.dest, values)]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    modify = command_parser(
        "modify",
        "Change entries on an LDAP server.",
        "  ldp modify ldap://127.0.0.1:3892 --dn uid=u1,ou=people,dc=contoso,dc=com -u admin \\\n"
        "      --replace mail=una@contoso.com --delete title\n"
        "  ldp modify ldap://127.0.0.1:3892 changes.ldif -u admin\n"
        "  LDP_PASSWORD='admin secret' ldp modify ldap://127.0.0.1:3892 - -u admin --json < changes.ldif",
        more=_MORE,
    )
    modify.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    add_record_options(modify, required=False)
    group = modify.add_argument_group("one entry", "in place of FILE; NAME::BASE64 does for values that are no text")
    group.add_argument("--dn", help="the entry")
    modify.set_defaults(changes=None)
    for name, words in (
        ("replace", "these values in place of all; without =VALUE none"),
        ("add", "one more value"),
        ("delete", "without this value; without =VALUE the whole attribute"),
        ("increment", "a number, by so much (RFC 4525)"),
    ):
        group.add_argument(f"--{name}", metavar="NAME=VALUE", action=_Changing, default=argparse.SUPPRESS, help=words)
    return modify


def main(arguments: Sequence[str]) -> int:
    """Make them; the exit status."""
    return run(parser(), arguments, _modify)


def _modify(options: argparse.Namespace, out: Output) -> int:
    if options.dn is None:
        if options.changes:
            raise UsageFault(f"--{options.changes[0][0]}: needs --dn")
        if options.file is None:
            raise UsageFault("what to change is not known: FILE, or --dn and a change, is needed")
        return send(options, out, records(options, _only_changes))
    if options.file is not None:
        raise UsageFault("--dn: has no place with FILE")
    if not options.changes:
        raise UsageFault("--dn: needs a change: --replace, --add, --delete or --increment")
    try:
        dn = DN.parse(options.dn)
    except InvalidDN as error:
        raise UsageFault(f"--dn: {error}") from None
    return send(options, out, [ModifyRecord(dn, tuple(_changes(options.changes)), (), 0)])


def _only_changes(record: Record) -> None:
    if isinstance(record, EntryRecord):
        raise UsageFault(f"line {record.line}: an entry without 'changetype:' is for ldp add")


def _changes(listed: list[tuple[str, str]]) -> Iterator[Change]:
    """Those of the command line, side by side values of one attribute together."""
    gathered: list[tuple[str, str, list[bytes]]] = []
    for operation, text in listed:
        if operation in ("replace", "delete") and ATTRIBUTE_DESCRIPTION.fullmatch(text):
            gathered.append((operation, text, []))
            continue
        name, value = named_value(f"--{operation}", text)
        last = gathered[-1] if gathered else None
        if last and last[0] == operation != "increment" and last[1].lower() == name.lower() and last[2]:
            last[2].append(value)
        else:
            gathered.append((operation, name, [value]))
    for operation, name, values in gathered:
        yield Change(_OPERATIONS[operation], PartialAttribute(name, tuple(values)))
