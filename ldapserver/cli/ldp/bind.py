"""`ldp bind`: bind to an LDAP server and show what happened."""

import argparse
from collections.abc import Sequence

from ldapserver.cli.ldp.binding import BindOutcome, BindRefused, NotBound, announce_and_bind, mechanism
from ldapserver.cli.ldp.connection import command_parser, opened, request_of, run
from ldapserver.cli.ldp.rootdse import read_root_dse
from ldapserver.cli.ldp.transcript import Form, Output
from ldapserver.cli.remote import UNREACHABLE, RemoteFailure
from ldapserver.usage import UsageFault

_MORE = """\
--json: one object, {"outcome": "success", "mechanism": "DIGEST-MD5", "authenticatedAs": "contoso.com\\\\u1",
"realm": "contoso.com", "qop": "auth", "cipher": null, "code": 0, "result": "success", "text": ""}; the outcome may
also be "refused", "broken-off", "server-unproven" and "unreachable", the last three without a code.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    bind = command_parser(
        "bind",
        "Connect to an LDAP server, show its root DSE, bind by DIGEST-MD5, and check the server's proof.",
        "  ldp bind ldap://127.0.0.1:3890 -u u1 -d CONTOSO\n"
        "  ldp bind ldap://127.0.0.1:3890 -u u1 --qop auth-conf --cipher rc4 -v\n"
        "  ldp bind ldaps://dc1.contoso.com --ca ca.pem -u alice@contoso.com --simple\n"
        "  ldp bind ldap://127.0.0.1:3890 --anonymous --json",
        more=_MORE,
    )
    bind.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://%%2Fpath%%2Fof%%2Fsocket")
    help = "ask the server why, where the bind fails: ours tells when it is started with --explain"
    bind.add_argument("--explain", action="store_true", help=help)
    return bind


def main(arguments: Sequence[str]) -> int:
    """Bind; the exit status."""
    return run(parser(), arguments, _bind)


def _bind(options: argparse.Namespace, out: Output) -> int:
    if options.user is None and not (options.anonymous or options.external):
        raise UsageFault("who binds is not known: --user, --external or --anonymous is needed")
    request = request_of(options)
    try:
        with opened(request, out) as connection:
            if out.form is Form.LDP:
                read_root_dse(connection, out, ["*", "+"])
            outcome = announce_and_bind(connection, request.login, out, request.text, explain=options.explain)
            out.object(outcome.as_json())
    except (NotBound, BindRefused) as failure:
        out.object(failure.outcome.as_json())
        raise
    except RemoteFailure as failure:
        if failure.status == UNREACHABLE:
            nothing = {"code": None, "result": None, "text": str(failure)}
            out.object(BindOutcome("unreachable", mechanism(request.login), nothing).as_json())
        raise
    return 0
