"""`ldp load`: how many binds or searches a second a server answers, and how long they take."""

import argparse
import asyncio
import json
import math
import re
import signal
import ssl
from collections.abc import Callable, Sequence

from ldapserver.cli.exit_status import INTERRUPTED, Failure, ended, failed
from ldapserver.cli.ldp import USAGE_STATUS
from ldapserver.cli.ldp.load_client import Target, Trouble
from ldapserver.cli.ldp.load_result import NOT_REACHED, Tally, as_json, tables
from ldapserver.cli.ldp.load_run import Plan, Run, Search, punctual
from ldapserver.cli.ldp.load_users import User, Users, in_dn, in_filter, listed, matching, needs_password, of_file
from ldapserver.cli.ldp.load_view import shown
from ldapserver.cli.password import add_password_options, password_of
from ldapserver.cli.tables import show
from ldapserver.hosting.values import positive
from ldapserver.terminal import is_terminal
from ldapserver.url import ListenURL
from ldapserver.usage import HelpFormatter, Parser, UsageFault, is_utf8
from ldapserver.wire.filters import Filter, InvalidFilter, parse_filter
from ldapserver.wire.messages import Scope

_PROGRAM = "ldp load"
DURATION = 10.0  # seconds, where neither --duration nor --count is given
TIMEOUT = 10.0  # seconds
CONNECTIONS = 8
_SCOPES = {"base": Scope.BASE_OBJECT, "one": Scope.SINGLE_LEVEL, "sub": Scope.WHOLE_SUBTREE}
_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}

_DESCRIPTION = """\
Bind to a server, or search it, as fast as it answers or at a rate, and say how many that were a second and how long
they took. Every server's rspauth is verified.

This loads the server that it is pointed at, and wrong passwords lock accounts: point it at your own.
"""
_EPILOG = """\
modes:
  digest   each operation is a bind by DIGEST-MD5, in its two round trips
  simple   each operation is a simple bind, of --dn if it is given, else of the user's name as it is
  search   each connection binds once, by DIGEST-MD5 or simply as --dn, and then searches below --base

Users take turns. Without --rate a connection begins the next operation when the last one has ended. With --rate each
has a time when it is due, and its latency is counted from then, not from when a connection was free at last.
A connection is kept for one bind after the other; --reconnect makes a new one for each, which is a part of its
latency, as is TLS. LDP_PASSWORD is the password of users who have none of their own.

example:
  ldp load ldap://127.0.0.1:3890 --users u1:password --duration 5s
  ldp load ldap://127.0.0.1:3890 --users-file users.txt --connections 20 --count 10000 --json
  LDP_PASSWORD=secret ldp load ldap://127.0.0.1:3890 --user-pattern 'u{0..999}' --rate 200/s --duration 1m
  ldp load ldap://127.0.0.1:3890 --users u1:password --mode simple --dn 'uid={user},ou=people,dc=contoso,dc=com'
  ldp load ldap://127.0.0.1:3890 --users u1:password --mode search --base dc=contoso,dc=com --filter '(uid={user})'

exit status: 0 all succeeded; 1 to 63 the result code that was most frequent among the others; 64 usage; 80 any other
code, or an answer that cannot be read; 81 not reachable, closed, or no answer in time; 82 a server's proof (rspauth)
was wrong or missing; 130 interrupted, after the tables of what there was.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the load, and show what came of it; the exit status."""
    return ended(_PROGRAM, lambda: _run(_parser().parse_args(arguments)), usage=USAGE_STATUS)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=HelpFormatter)
    parser.add_argument("url", metavar="URL", help="ldap://HOST[:PORT], ldaps://HOST[:PORT] or ldapi://%%2FPATH")
    who = parser.add_argument_group("who")
    users = who.add_mutually_exclusive_group(required=True)
    users.add_argument("--users", metavar="NAME:PW,...", help="others on this machine can see them")
    users.add_argument("--users-file", metavar="FILE", help="lines of name:password")
    users.add_argument("--user-pattern", metavar="PATTERN", help="u{0..999}: a name for each number; one password")
    add_password_options(who)
    who.add_argument("-d", "--domain", metavar="REALM", help="the realm to name (default: the first that is offered)")
    who.add_argument("--host-name", metavar="NAME", help="the server's name in digest-uri (default: that of the URL)")
    who.add_argument("--dn", metavar="DN", help="whom to bind simply, {user} in it for the name")
    what = parser.add_argument_group("what")
    what.add_argument("--mode", choices=("digest", "simple", "search"), default="digest", help="(default: digest)")
    what.add_argument("--base", metavar="DN", help="where to search")
    what.add_argument("--scope", choices=tuple(_SCOPES), default="sub", help="how far below it (default: sub)")
    what.add_argument(
        "--filter", default="(objectClass=*)", help="{user} in it for the name (default: (objectClass=*))"
    )
    what.add_argument("--attributes", metavar="NAME,...", default="1.1", help="what is asked for (default: nothing)")
    much = parser.add_argument_group("how much")
    much.add_argument(
        "--connections", metavar="N", type=positive, default=CONNECTIONS, help=f"at once (default: {CONNECTIONS})"
    )
    much.add_argument("--duration", metavar="TIME", type=_seconds, help=f"30s, 5m (default: {DURATION:g}s)")
    much.add_argument("--count", metavar="N", type=positive, help="so many operations")
    much.add_argument(
        "--rate", metavar="N/s", type=_rate, help="begin so many a second (default: as fast as it goes)"
    )
    much.add_argument("--reconnect", action="store_true", help="a new connection for each operation")
    much.add_argument("--timeout", metavar="TIME", type=_seconds, default=TIMEOUT,
                      help=f"how long to wait for one (default: {TIMEOUT:g}s)")  # fmt: skip
    tls = parser.add_argument_group("TLS")
    tls.add_argument("--start-tls", action="store_true", help="TLS on an ldap:// connection")
    tls.add_argument("--ca", metavar="FILE", help="the CAs to trust, in PEM (default: the system's)")
    tls.add_argument(
        "--insecure", action="store_true", help="take any certificate: whoever is in the way reads along"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _run(options: argparse.Namespace) -> int:
    plan = _plan(options)
    noun = "searches" if options.mode == "search" else "binds"
    run = Run(plan)
    try:
        with asyncio.Runner(loop_factory=lambda: punctual(plan.connections)) as runner:
            interrupted = runner.run(_carried_out(run, noun, quiet=options.json))
    except Trouble as trouble:
        raise Failure(NOT_REACHED, f"{options.url}: {trouble}") from None
    _show(run.tally, noun, options, plan)
    return INTERRUPTED if interrupted else run.tally.status()


async def _carried_out(run: Run, noun: str, *, quiet: bool) -> bool:
    """Run it to its end; whether that came by Ctrl-C."""
    interrupted = False

    def stop() -> None:
        nonlocal interrupted
        interrupted = True
        run.stop()
        loop.remove_signal_handler(signal.SIGINT)  # who cannot wait for the last answers says it again

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        if quiet:
            await run.run()
        else:
            async with shown(run, noun):
                await run.run()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return interrupted


def _show(tally: Tally, noun: str, options: argparse.Namespace, plan: Plan) -> None:
    if options.json:
        asked = {
            "url": options.url,
            "mode": options.mode,
            "connections": plan.connections,
            "rate": plan.rate,
            "reconnect": plan.reconnect,
            "latency_from": "start" if plan.rate is None else "intended start",
        }
        print(json.dumps({**asked, **as_json(tally)}), flush=True)
        return
    for number, table in enumerate(tables(tally, noun)):
        if number and not is_terminal():  # one drawn has room around it
            print()
        show(table)
    if tally.not_begun:
        failed(_PROGRAM, 0, f"{tally.not_begun:,} {noun} were due and not begun: too slow for --rate, or too few "
               "--connections; the latencies do not have them")  # fmt: skip


# From options to a plan.


def _plan(options: argparse.Namespace) -> Plan:
    server = ListenURL.parse(options.url)
    if not server.path and server.port == 0:
        raise UsageFault(f"{options.url}: the port must be a number from 1 to 65535")
    _check(options, server)
    users = _users_of(options)
    host = "localhost" if server.path else f"[{server.host}]" if ":" in server.host else server.host
    return Plan(
        target=Target(server, options.host_name or host, options.domain, options.start_tls, _tls(options, server)),
        users=users,
        connections=options.connections,
        count=options.count,
        duration=options.duration or (None if options.count else DURATION),
        rate=options.rate,
        timeout=options.timeout,
        reconnect=options.reconnect,
        dn=_dn(options),
        search=_search(options) if options.mode == "search" else None,
    )


def _check(options: argparse.Namespace, server: ListenURL) -> None:
    has_tls = server.tls or options.start_tls
    if options.start_tls and (server.tls or server.path):
        raise UsageFault(f"argument --start-tls: has no place with {options.url.partition('//')[0]}//")
    for option in ("ca", "insecure"):
        if getattr(options, option) and not has_tls:
            raise UsageFault(f"argument --{option}: has no meaning without TLS")
    if options.ca and options.insecure:
        raise UsageFault("argument --ca: has no meaning with --insecure")
    for option in ("domain", "host_name", "dn", "base", "filter"):
        value = getattr(options, option)
        if value is not None and not is_utf8(value):
            raise UsageFault(f"argument --{option.replace('_', '-')}: is not UTF-8")
    if options.mode == "digest" and options.dn is not None:
        raise UsageFault("argument --dn: has no place in --mode digest")
    if options.mode == "simple" or options.dn is not None:
        for option in ("domain", "host_name"):
            if getattr(options, option) is not None:
                raise UsageFault(f"argument --{option.replace('_', '-')}: has no place in a simple bind")
    if options.mode == "search" and options.base is None:
        raise UsageFault("argument --base: is due in --mode search")
    if options.mode != "search" and options.base is not None:
        raise UsageFault("argument --base: has no place without --mode search")


def _users_of(options: argparse.Namespace) -> Users:
    common = None
    given = options.password_stdin or options.password is not None
    if options.user_pattern is not None or given or (options.users is not None and needs_password(options.users)):
        common = password_of(options, options.user_pattern or "the users")
    if options.user_pattern is not None:
        if not is_utf8(options.user_pattern):
            raise UsageFault("argument --user-pattern: is not UTF-8")
        users = matching(options.user_pattern, common or "")
    elif options.users is not None:
        users = listed(options.users, common)
    else:
        users = of_file(options.users_file, common)
    # A simple bind without a password succeeds and proves nothing.  RFC 4513 section 5.1.2
    if (options.mode == "simple" or options.dn is not None) and users.has_empty_password():
        raise UsageFault("an empty password would bind as nobody")
    return users


def _dn(options: argparse.Namespace) -> Callable[[User], str] | None:
    if options.dn is not None:
        return lambda user: options.dn.replace("{user}", in_dn(user.name))
    return (lambda user: user.name) if options.mode == "simple" else None


def _search(options: argparse.Namespace) -> Search:
    read: dict[str, Filter] = {}

    def filter_of(user: User) -> Filter:
        name = user.name if "{user}" in options.filter else ""
        if name not in read:
            if len(read) >= 10_000:
                read.clear()
            read[name] = parse_filter(options.filter.replace("{user}", in_filter(name)))
        return read[name]

    try:
        filter_of(User("u", ""))
    except InvalidFilter as error:
        raise UsageFault(f"argument --filter: {error}") from None
    attributes = tuple(name for name in options.attributes.split(",") if name)
    return Search(options.base, _SCOPES[options.scope], filter_of, attributes)


def _tls(options: argparse.Namespace, server: ListenURL) -> ssl.SSLContext | None:
    if not (server.tls or options.start_tls):
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except OSError as error:
        raise UsageFault(f"argument --ca: {options.ca}: {error.strerror or error}") from None
    if options.insecure:
        failed(_PROGRAM, 0, "--insecure: the server's certificate is not looked at: it may be anybody's")
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    seconds = float(found["number"]) * _UNITS[found["unit"]] if found else 0.0
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text}: must be a time, like 500ms, 30s, 5m or 1h")
    return seconds


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not (math.isfinite(rate) and rate > 0):
        raise argparse.ArgumentTypeError(f"{text}: must be a number of operations a second, like 200 or 200/s")
    return rate
