"""The LDIF that `ldp add` and `ldp modify` send: from a file or standard input, record by record."""

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from ldapserver.cli.ldp.connection import bound, request_of
from ldapserver.cli.ldp.transcript import Output, Refused
from ldapserver.cli.ldp.updating import apply
from ldapserver.directory.ldif import Record, read_ldif
from ldapserver.hosting.ldif_file import records_of
from ldapserver.usage import UsageFault

STDIN = "-"


def add_record_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """FILE and --continue."""
    what = "LDIF; default: standard input" if required else "LDIF change records; '-' is standard input"
    parser.add_argument("file", metavar="FILE", nargs="?", help=what)
    parser.add_argument(
        "-c", "--continue", dest="go_on", action="store_true", help="go on behind what was refused; its status stays"
    )


def records(options: argparse.Namespace, check: Callable[[Record], None]) -> list[Record]:
    """Those of FILE, or of standard input, each looked at by `check`, before the first of them is sent.

    Raises UsageFault and InvalidLDIF.
    """
    if options.file not in (None, STDIN):
        found = list(records_of(options.file, option="FILE"))
    elif options.password_stdin:
        raise UsageFault("--password-stdin: standard input has the LDIF: name a file")
    else:
        text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="surrogateescape", newline="\n")
        found = list(read_ldif(text, "standard input"))
    for record in found:
        check(record)
    return found


def send(options: argparse.Namespace, out: Output, wanted: Sequence[Record]) -> int:
    """Do what the records say, up to the first that is refused; with --continue to the end. The exit status."""
    first: Refused | None = None
    with bound(request_of(options), out) as connection:
        for record in wanted:
            refused = apply(connection, record, out)
            if refused is None:
                continue
            first = first or refused
            if not options.go_on:
                break
            out.note(f"{record.dn}: {refused}")
    if first is not None:
        raise first
    return 0
