"""The `ldapserver` command: one module a subcommand, imported when it is asked for."""

from collections.abc import Sequence

from ldapserver.cli.program import Program

COMMANDS = {
    "serve": "answer LDAP binds and searches, and write an audit record for every verdict",
    "check": "say what is wrong with a configuration and with LDIF files, without serving",
    "export": "write the entries of a server, or of an LDIF file, as LDIF or JSON",
    "passwd": "set a password, on a server or in an LDIF file; unlock an account, have its password changed",
    "record": "stand between a client and a server, and write down what they say",
    "replay": "play the server of a recording, for a client under test",
    "events": "show the records of audit logs, follow them, or sum them up",
    "completion": "a script that completes commands and options in a shell",
}

USAGE = """\
usage: ldapserver COMMAND [OPTION...]

An LDAP server that accepts SASL DIGEST-MD5 and writes a Windows 4776 record for every verdict about credentials.

commands:
{commands}

ldapserver COMMAND --help says more; ldapserver --version prints the version.

example:
  ldapserver serve --ldif examples/contoso.ldif --listen ldap://127.0.0.1:3890
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status."""
    return Program("ldapserver", __name__, COMMANDS, USAGE, 2).run(arguments)
