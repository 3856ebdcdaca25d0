"""`ldp search`: entries, in the words of LDP.exe or for a program, page by page."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ldapserver.cli.ldp.connection import bound, command_parser, request_of, run
from ldapserver.cli.ldp.entries import say_entry
from ldapserver.cli.ldp.transcript import DASHES, Form, Output
from ldapserver.cli.remote import bases, name_and_attributes, next_page, pages
from ldapserver.cli.search_url import EVERY_ENTRY, SCOPES, SearchURL
from ldapserver.printable import printable
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, DN, InvalidDN
from ldapserver.wire.filters import InvalidFilter, parse_filter

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection

SIZE_LIMIT_EXCEEDED = 4

_MORE = """\
URL may say all of it: ldap://HOST:PORT/BASE?ATTRIBUTE,...?base|one|sub?FILTER (RFC 4516); what stands there is not
said by an option too. Without a base it is all that the server holds, without a scope all below the base. BASE may be
<GUID=...> or <SID=...> where the server knows these.

Entries come page by page, 500 at once. Referrals are shown and not followed. Passwords that a server gives are not
shown, and left out of --json and --ldif. Times are in UTC.

--json: an object for each entry, {"dn": "...", "attributes": {"cn": ["..."], "jpegPhoto": [{"base64": "..."}]}};
values that are not UTF-8 are in base64.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    search = command_parser(
        "search",
        "Search an LDAP server.",
        "  ldp search ldap://127.0.0.1:3890 -u u1 -b dc=contoso,dc=com -f '(uid=u*)' -a cn,mail\n"
        "  ldp search 'ldap://127.0.0.1:3890/dc=contoso,dc=com?cn?sub?(uid=u1)' -u u1 --json\n"
        "  ldp search ldap://127.0.0.1:3890 -u u1 -b ou=people,dc=contoso,dc=com -s one --ldif\n"
        "  ldp search ldap://127.0.0.1:3890 -s base -a namingContexts",
        more=_MORE,
        forms=(Form.JSON, Form.LDIF),
    )
    search.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps:// or ldapi://, and what RFC 4516 adds")
    what = search.add_argument_group("what is searched for")
    what.add_argument("-b", "--base", metavar="DN", help="where to begin")
    what.add_argument("-s", "--scope", choices=tuple(SCOPES), help="the entry itself, those right below, or all")
    what.add_argument("-f", "--filter", help=f"which entries; default: {EVERY_ENTRY}")
    what.add_argument(
        "-a",
        "--attributes",
        metavar="NAME,...",
        action="append",
        help="what of them, repeatable; '+' for operational ones, '1.1' for none; default: '*'",
    )
    what.add_argument("--size-limit", metavar="N", type=_count, help="no more entries than these")
    what.add_argument("--page-size", metavar="N", type=_count, help="entries to a page; 0 for a search without pages")
    return search


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of entries")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Search; the exit status."""
    return run(parser(), arguments, _search)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is searched for."""

    url: SearchURL
    attributes: list[str]
    size_limit: int
    page_size: int | None


def _asked(options: argparse.Namespace, url: SearchURL) -> _Asked:
    if options.base is not None:
        if url.base:
            raise UsageFault("--base: the URL names one")
        if not options.base.startswith("<"):  # one of Active Directory's, [MS-ADTS] 3.1.1.3.1.2.4
            try:
                DN.parse(options.base)
            except InvalidDN as error:
                raise UsageFault(f"--base: {error}") from None
        url = replace(url, base=options.base)
    if options.scope is not None:
        if "?" in options.url and _part(options.url, 2):
            raise UsageFault("--scope: the URL names one")
        url = replace(url, scope=SCOPES[options.scope])
    if options.filter is not None:
        if url.filter != EVERY_ENTRY:
            raise UsageFault("--filter: the URL has one")
        try:
            parse_filter(options.filter)
        except InvalidFilter as error:
            raise UsageFault(f"--filter: {error}") from None
        url = replace(url, filter=options.filter)
    named = [name for listed in options.attributes or () for name in listed.split(",") if name]
    if named and url.attributes:
        raise UsageFault("--attributes: the URL names some")
    for name in named:
        if name[:1] not in ("*", "+", "@") and name != "1.1" and not ATTRIBUTE_DESCRIPTION.fullmatch(name):
            raise UsageFault(f"--attributes: {name!r} is no attribute")
    return _Asked(url, named or list(url.attributes) or ["*"], options.size_limit or 0, options.page_size)


def _part(url: str, at: int) -> str:
    """What stands behind the question mark of this number."""
    parts = url.split("?")
    return parts[at] if len(parts) > at else ""


def _search(options: argparse.Namespace, out: Output) -> int:
    # Before the password is asked for.
    asked = _asked(options, SearchURL.parse(options.url))
    with bound(request_of(options, search=True), out) as connection:
        told: set[str] = set()
        left = asked.size_limit
        for base in bases(connection, asked.url):
            left = _below(connection, base, asked, out, told, left)
        out.end_of_entries()
    return 0


def _below(connection: "DigestConnection", base: str, asked: _Asked, out: Output, told: set[str], left: int) -> int:
    """Show what is below one base; how many entries may still come. `told` are the referrals shown."""
    url = asked.url
    out.say("***Searching...")
    out.say(
        f'ldap_search_s(ld, "{printable(base) or "(null)"}", {int(url.scope)}, "{printable(url.filter)}", attrList,  '
        "0, &msg)"
    )
    pages_of = pages(
        connection, base, url.scope, url.filter, asked.attributes, page_size=asked.page_size, size_limit=left
    )
    for page in pages_of:
        result: dict[str, Any] = connection.result
        refused = out.refused("Search", result) if result["result"] != 0 else None
        entries = [name_and_attributes(each) for each in page if each["type"] == "searchResEntry"]
        beyond = len(entries) > left > 0
        if left:
            entries = entries[:left]
        out.say(f"Getting {len(entries)} entries:")
        for name, attributes in entries:
            say_entry(out, name, attributes)
        out.entries(entries)
        _say_referrals(out, [uri for each in page if each["type"] == "searchResRef" for uri in each["uri"]], told)
        if refused is not None:
            out.say(DASHES)
            raise refused
        if left:
            left -= len(entries)
            if beyond or (not left and next_page(connection)):
                # Servers count the entries of a page, or none: there are more than were wanted.
                result = {"result": SIZE_LIMIT_EXCEEDED, "description": "sizeLimitExceeded", "message": ""}
                refused = out.refused("Search", result)
                out.say(DASHES)
                raise refused
    out.say(DASHES)
    return left


def _say_referrals(out: Output, uris: list[str], told: set[str]) -> None:
    # slapd gives one that stands where a page ends on the next page too.
    for uri in uris:
        if uri not in told:
            told.add(uri)
            if out.form is Form.LDP:
                out.say(f">> Referral: {printable(uri)}")
            else:
                out.note(f"what is there is not asked for: {uri}")
