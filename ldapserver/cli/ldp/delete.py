"""`ldp delete`: entries, or whole subtrees, deleted from a server."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ldapserver.cli.ldp.connection import bound, command_parser, request_of, run
from ldapserver.cli.ldp.transcript import Output, Refused
from ldapserver.cli.ldp.updating import delete
from ldapserver.cli.remote import expect_success, name_and_attributes, pages
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.messages import Control, Scope

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

TREE_DELETE = "1.2.840.113556.1.4.805"  # [MS-ADTS] 3.1.1.3.4.1.15

_MORE = """\
--subtree: at once by the control tree delete where the server lists it, and else one by one, the deepest first; what
is gone then stays gone if one in between is refused.

--json: an object for each entry that was asked to go, {"dn": "...", "operation": "delete", "code": 0,
"result": "success", "text": ""}.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    gone = command_parser(
        "delete",
        "Delete entries from an LDAP server.",
        "  ldp delete ldap://127.0.0.1:3892 cn=new,ou=people,dc=contoso,dc=com -u admin\n"
        "  ldp delete ldap://127.0.0.1:3892 ou=groups,dc=contoso,dc=com --subtree -u admin",
        more=_MORE,
    )
    gone.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    gone.add_argument("dns", metavar="DN", nargs="+", help="the entries, deleted in this order")
    gone.add_argument("--subtree", action="store_true", help="with all that is below them")
    return gone


def main(arguments: Sequence[str]) -> int:
    """Delete them; the exit status."""
    return run(parser(), arguments, _delete)


def _delete(options: argparse.Namespace, out: Output) -> int:
    for dn in options.dns:
        # Nobody means the root DSE; a variable of a script that is not set would.
        if not dn:
            raise UsageFault("DN: must not be empty")
    with bound(request_of(options), out) as connection:
        at_once = options.subtree and _has_tree_delete(connection)
        for dn in options.dns:
            if not options.subtree:
                refused = delete(connection, dn, (), out)
            elif at_once:
                refused = delete(connection, dn, (Control(TREE_DELETE, criticality=True),), out)
            else:
                refused = _one_by_one(connection, dn, out)
            if refused is not None:
                raise refused
    return 0


def _has_tree_delete(connection: "DigestConnection") -> bool:
    connection.search("", "(objectClass=*)", "BASE", attributes=["supportedControl"])
    expect_success("search of the root DSE", connection)
    return any(
        TREE_DELETE.encode() in values
        for each in connection.response or ()
        if each["type"] == "searchResEntry"
        for _, values in name_and_attributes(each)[1]
    )


def _one_by_one(connection: "DigestConnection", dn: str, out: Output) -> Refused | None:
    below: list[str] = []
    for page in pages(connection, dn, Scope.WHOLE_SUBTREE, "(objectClass=*)", ["1.1"]):
        below += [name_and_attributes(each)[0] for each in page if each["type"] == "searchResEntry"]
        if connection.result["result"] != 0:
            return out.refused("Search", connection.result)
    for name in sorted(below, key=_depth, reverse=True):
        if (refused := delete(connection, name, (), out)) is not None:
            return refused
    return None


def _depth(name: str) -> int:
    try:
        return len(DN.parse(name).rdns)
    except InvalidDN:  # another server's, which it must know itself
        return name.count(",")
