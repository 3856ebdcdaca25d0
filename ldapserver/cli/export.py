"""`ldapserver export`: the entries of a server or of an LDIF file, as clean LDIF or as JSON lines."""

import argparse
import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ldapserver.cli.entry_json import json_lines
from ldapserver.cli.exit_status import ended
from ldapserver.cli.login import add_login_options, check_no_login, check_transport, login_of
from ldapserver.cli.password import PASSWORD, from_stdin
from ldapserver.cli.remote import Login, remote_entries
from ldapserver.cli.search_url import SearchURL, is_url
from ldapserver.directory.entry import is_password
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schema import Schema
from ldapserver.hosting.ldif_file import records_of, text_of
from ldapserver.printable import printable
from ldapserver.usage import HelpFormatter, Parser, UsageFault
from ldapserver.whole_file import WholeFile

Named = Iterable[tuple[Any, Attributes]]  # what names an entry is a DN, or a server's text

_DESCRIPTION = """\
Write the entries of a server, or of an LDIF file, as LDIF.

From a server they come in its order and without passwords, which no search returns. From a file they come sorted,
each entry before what is below it, in one spelling; and whoever asks for them gets the passwords too.
"""
_EPILOG = f"""\
SOURCE is a file, or a URL, of which all may be left out behind the address:
  ldap://HOST:PORT/BASE?ATTRIBUTE,...?base|one|sub?FILTER     also ldaps://, and ldapi://%2Fpath%2Fof%2Fsocket
Without a base it is all that the server has, without a scope all below the base.

example:
  ldapserver export ldap://127.0.0.1:3890/dc=contoso,dc=com --user u1 -o contoso.ldif
  ldapserver export 'ldap://127.0.0.1:3890/dc=contoso,dc=com?cn,mail?sub?(mail=*)' --user u1 --json
  ldapserver export people.ldif --with-secrets -o clean.ldif

The password is asked for, or read from standard input, or taken from the environment, of {PASSWORD}.

--json: one object a line, {{"dn": "...", "attributes": {{"cn": ["..."], "jpegPhoto": [{{"base64": "..."}}]}}}};
values that are not UTF-8 are in base64.

exit status: 0 done; 2 wrong usage or file; 1 to 63 the server's LDAP result code; 80 any other failure; 81 not
reachable; 82 the server's proof (rspauth) is wrong or missing. After a failure the file of -o is as it was.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the entries; the exit status."""

    def work() -> int:
        _export(_parser().parse_args(arguments))
        return 0

    return ended("ldapserver export", work)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ldapserver export",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", help="an LDAP URL, or an LDIF file")
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there, whole or not at all")
    parser.add_argument("--json", action="store_true", help="JSON, one object a line, in place of LDIF")
    parser.add_argument("--operational", action="store_true", help="with what the server itself keeps of each entry")
    file = parser.add_argument_group("from a file")
    file.add_argument(
        "--with-secrets", action="store_true", help="with the passwords; then -o is readable by you alone"
    )
    server = parser.add_argument_group("from a server", "without --user or --simple as anonymous")
    add_login_options(server)
    server.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input"
    )
    return parser


def _export(options: argparse.Namespace) -> None:
    from_server = is_url(options.source)
    entries = _of_server(options) if from_server else _of_file(options)
    pieces = json_lines(entries) if options.json else text_of(entries)
    with _output(options) as write:
        for piece in pieces:
            write(piece)


@contextmanager
def _output(options: argparse.Namespace) -> Iterator[Callable[[bytes], object]]:
    if options.output in (None, "-"):
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    try:
        file = WholeFile(options.output, private=options.with_secrets)
    except OSError as error:
        raise UsageFault(f"argument -o: {options.output}: {error.strerror}") from None
    with file:
        yield file.write


# From a server.


def _of_server(options: argparse.Namespace) -> Named:
    if options.with_secrets:
        raise UsageFault("argument --with-secrets: no search returns passwords: only an LDIF file has them")
    url = SearchURL.parse(options.source)
    check_transport(options, options.source, url.server)
    return _without_secrets(remote_entries(url, _login(options), _not_followed, operational=options.operational))


def _login(options: argparse.Namespace) -> Login:
    if options.user is None and options.simple is None and options.password_stdin:
        raise UsageFault("argument --password-stdin: has no place without --user or --simple")
    return login_of(options, from_stdin if options.password_stdin else None)


def _not_followed(referral: str) -> None:
    print("ldapserver export: what is there is not asked for:", printable(referral), file=sys.stderr)


def _without_secrets(entries: Named) -> Named:
    """Without what another server than ours may show: nobody has asked for passwords."""
    for name, attributes in entries:
        yield name, tuple((each, values) for each, values in attributes if not is_password(each))


# From a file.


def _of_file(options: argparse.Namespace) -> Named:
    check_no_login(options)
    if options.password_stdin:
        raise UsageFault("argument --password-stdin: has no place with a file")
    gc.disable()  # everything that is read stays until the end
    records = records_of(options.source, option="SOURCE")
    directory = MemoryDirectory([(options.source, records)])
    entries = directory.records(with_secrets=options.with_secrets)
    return entries if options.operational else _of_users(entries, directory.schema)


def _of_users(entries: Named, schema: Schema) -> Named:
    """Without what no user may write: the server that reads the file makes its own.  RFC 4512 section 4.1.2"""
    own: dict[str, bool] = {}
    for dn, attributes in entries:
        for description, _ in attributes:
            if description not in own:
                attribute_type = schema.attribute_type(description)
                own[description] = attribute_type is not None and attribute_type.no_user_modification
        # Password attributes are asked for by themselves, a history of them among these.
        yield dn, tuple((each, values) for each, values in attributes if is_password(each) or not own[each])
