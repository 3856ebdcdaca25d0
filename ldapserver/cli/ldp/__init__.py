"""The `ldp` command: one module a subcommand, imported when it is asked for."""

from collections.abc import Sequence

from ldapserver.cli.program import Program

USAGE_STATUS = 64
COMMANDS = {
    "bind": "connect, show the root DSE, and bind",
    "search": "entries: as LDP.exe shows them, as JSON or as LDIF",
    "compare": "whether an entry has a value",
    "whoami": "as whom the server takes one",
    "rootdse": "what the server says of itself",
    "add": "add entries of LDIF",
    "modify": "make changes, of LDIF or of the command line",
    "delete": "delete entries, or subtrees",
    "passwd": "set a password",
    "wdigest": "the 29 hashes that Active Directory keeps of a password for Digest",
    "load": "how many binds or searches a second a server answers, and how fast",
    "explain": "why did it fail: a captured exchange, computed again",
    "completion": "a script that completes commands and options in a shell",
}

USAGE = """\
usage: ldp COMMAND [OPTION...]

An LDAP client that shows what it does, as Windows' LDP.exe does.

commands:
{commands}

ldp COMMAND --help says more; ldp --version prints the version.

example:
  ldp bind ldap://127.0.0.1:3890 -u u1 -d CONTOSO
  ldp search 'ldap://127.0.0.1:3890/dc=contoso,dc=com??sub?(uid=u1)' -u u1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status."""
    return Program("ldp", __name__, COMMANDS, USAGE, USAGE_STATUS).run(arguments)
