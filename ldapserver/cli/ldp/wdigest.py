"""`ldp wdigest`: the 29 hashes that Active Directory keeps of a password for Digest ([MS-SAMR] 3.1.1.8.11.3)."""

import argparse
import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ldapserver.cli.exit_status import ended, failed
from ldapserver.cli.ldp import USAGE_STATUS
from ldapserver.cli.password import add_password_options, password_of
from ldapserver.cli.tables import Table, show
from ldapserver.printable import printable
from ldapserver.usage import HelpFormatter, Parser, UsageFault, is_utf8
from sasl_digest import UsageError
from sasl_digest.digest import converted
from sasl_digest.wdigest import forms, from_supplemental_credentials, hashes, unpack, utf8

_PROGRAM = "ldp wdigest"
NO_MATCH = 1

_DESCRIPTION = """\
Show the 29 hashes of Active Directory's WDigest: MD5(user:realm:password) under 29 pairs of names. A domain
controller that keeps them verifies a digest for one of these pairs only, in exactly this case.

Who has a hash can bind as the user in its realm, as with the password: treat this output as you treat passwords, or
leave it out with --no-hashes.
"""
_EPILOG = """\
A name or password beyond ASCII is hashed as RFC 2831 and [MS-SAMR] say, in ISO 8859-1 where it fits; --utf-8 does as
Samba does. --blob compares what a directory has stored with a password: a WDIGEST_CREDENTIALS (the value behind
{WDIGEST}), or a whole supplementalCredentials, in base64 as LDIF has it.

example:
  ldp wdigest u1 --netbios CONTOSO --dns contoso.com --no-hashes
  LDP_PASSWORD=password ldp wdigest u1 --netbios CONTOSO --dns contoso.com --upn u1@contoso.com
  ldp wdigest u1 --netbios CONTOSO --dns contoso.com --json --password-stdin < password.txt
  ldp wdigest u1 --netbios CONTOSO --dns contoso.com --blob "$VALUE"

exit status: 0 shown, or with --blob all 29 match; 1 with --blob, not all match; 64 usage; 130 interrupted.
"""


@dataclass(frozen=True, slots=True)
class Form:
    """One of the 29: its number, the names, its hash in hexadecimal, and whose digests it verifies."""

    number: int
    user: str
    realm: str
    hash: str | None
    serves: str
    matches: bool | None = None


def main(arguments: Sequence[str]) -> int:
    """Show them; the exit status."""
    return ended(_PROGRAM, lambda: _run(_parser().parse_args(arguments)), usage=USAGE_STATUS)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=HelpFormatter)
    parser.add_argument("user", metavar="USER", help="the sAMAccountName, in the case it is stored in")
    parser.add_argument("--netbios", metavar="NAME", required=True, help="the domain's NetBIOS name, like CONTOSO")
    parser.add_argument("--dns", metavar="NAME", required=True, help="the domain's DNS name, like contoso.com")
    parser.add_argument("--upn", metavar="NAME", help="the userPrincipalName (default: the implicit one, USER@DNS)")
    parser.add_argument("--utf-8", action="store_true", help="hash text beyond ASCII in UTF-8, as Samba does")
    add_password_options(parser)
    parser.add_argument(
        "--blob",
        "--credentials",
        metavar="BASE64",
        help="compare a stored WDIGEST_CREDENTIALS or supplementalCredentials with the password",
    )
    parser.add_argument(
        "--no-hashes", action="store_true", help="the names only; asks for no password without --blob"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array of objects")
    return parser


def _run(options: argparse.Namespace) -> int:
    for name in ("user", "netbios", "dns", "upn"):
        value = getattr(options, name)
        if value is not None and not is_utf8(value):
            raise UsageFault(f"argument {name if name == 'user' else f'--{name}'}: is not UTF-8")
    # The domain's names may be: Active Directory Lightweight Directory Services has no NetBIOS name.
    if not options.user:
        raise UsageFault("argument USER: must not be empty")
    stored = None if options.blob is None else _stored(options.blob)
    found = _forms(options, stored)
    if options.json:
        print(json.dumps([_shown(form, options) for form in found]), flush=True)
    else:
        show(_table(found, options))
    if stored is None:
        return 0
    matching = sum(form.matches is True for form in found)
    if not options.json:
        failed(_PROGRAM, 0, f"{matching} of {len(found)} stored hashes are of this password and these names")
    return 0 if matching == len(found) else NO_MATCH


def _forms(options: argparse.Namespace, stored: Sequence[bytes] | None) -> list[Form]:
    pairs = forms(options.user, options.upn, options.netbios, options.dns)
    made: Sequence[bytes | None] = [None] * len(pairs)
    if stored is not None or not options.no_hashes:
        password = password_of(options, options.user)
        made = hashes(password, pairs, utf8 if options.utf_8 else converted)
    return [
        Form(
            number,
            user,
            realm,
            None if each is None or options.no_hashes else each.hex(),
            serves(number),
            None if stored is None or each is None else hmac.compare_digest(each, stored[number - 1]),
        )
        for number, ((user, realm), each) in enumerate(zip(pairs, made, strict=True), 1)
    ]


def serves(number: int) -> str:
    """Whose digests form `number` verifies: what the client has to say as username and as realm."""
    if number <= 7:
        return "account name, NetBIOS domain as realm"
    if number <= 14:
        return "account name, the DNS domain as realm: takes the realm a DC offers"
    if number <= 17:
        return "user@domain, empty realm"
    if number <= 20:
        return "DOMAIN\\user, empty realm"
    if number <= 23:
        return "account name, a server with realm Digest"
    return f"{'user@domain' if number <= 26 else 'DOMAIN' + chr(92) + 'user'}, a server with realm Digest"


def _stored(text: str) -> Sequence[bytes]:
    try:
        # Of a base64 that a shell or LDIF has folded the line ends are no part.
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UsageFault("argument --blob: is not base64") from None
    try:
        return unpack(data)
    except UsageError as error:
        first = error
    try:
        blob = from_supplemental_credentials(data)
    except UsageError as error:
        raise UsageFault(f"argument --blob: is neither of the two: {first}; {error}") from None
    if blob is None:
        raise UsageFault("argument --blob: these supplementalCredentials hold no Primary:WDigest")
    return unpack(blob)


def _shown(form: Form, options: argparse.Namespace) -> dict[str, object]:
    left_out = {"hash"} if options.no_hashes else set()
    return {name: value for name, value in asdict(form).items() if name not in left_out and (
        name != "matches" or value is not None)}  # fmt: skip


def _table(found: Sequence[Form], options: argparse.Namespace) -> Table:
    headings = ["#", "user", "realm"]
    headings += [] if options.no_hashes else ["hash"]
    headings += [] if options.blob is None else ["stored"]
    rows = []
    for form in found:
        row = [str(form.number), printable(form.user), printable(form.realm) or "(empty)"]
        row += [] if form.hash is None else [form.hash]
        row += [] if form.matches is None else ["matches" if form.matches else "differs"]
        rows.append((*row, form.serves))
    styles = (("user", "bold"), ("hash", "dim"))
    return Table((*headings, "serves clients that send"), rows, frozenset({"#"}), styles=styles)
