"""`ldapserver events`: the records of audit logs as a table, as JSON, as XML, or summed up; followed, if asked."""

import argparse
import json
import os
import sys
import textwrap
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import TypeVar

from ldapserver.cli.exit_status import INTERRUPTED, USAGE, ended, failed
from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.hosting.progress import watched
from ldapserver.hosting.values import positive
from ldapserver.terminal import console, is_terminal
from ldapserver.usage import HelpFormatter, Once, Parser, UsageFault
from ldapserver.viewer.event import Event
from ldapserver.viewer.filtering import NAMES, Filter, wanted_ids, wanted_status
from ldapserver.viewer.following import Followed, follow
from ldapserver.viewer.logs import STANDARD_INPUT, each_once, is_packed, labels, opened, rotated
from ldapserver.viewer.output import Output, json_lines, table, xml_document
from ldapserver.viewer.reading import Lost, merged, read
from ldapserver.viewer.summary import Summary
from ldapserver.viewer.summary_text import as_json, plain_text, show
from ldapserver.viewer.times import moment

T = TypeVar("T")

_PROGRAM = "ldapserver events"
NOTHING_MATCHED = 1

PAUSE = 0.25  # seconds between two looks at a log that does not grow

_DESCRIPTION = """\
Show the records of audit logs: JSON lines and Windows events in XML, gzipped or not, several logs in the order of
their times, each then with its log. Times are UTC.
"""
_EPILOG = f"""\
TIME is ISO 8601, in UTC where it names no zone (2026-01-02, 2026-01-02T03:04:05+01:00), or how long ago: 30s, 15m,
2h, 7d, 1w. STATUS is hexadecimal in any case, or one of these, or how only one of them begins:
{{names}}

A record is shown when it passes every kind of filter that is given, and one of the values of each.

example:
  ldapserver events audit.jsonl --failed --since 2h
  ldapserver events --follow audit.jsonl --id 4776,4625 --user u1
  ldapserver events --summary --rotated audit.jsonl
  zcat old.gz | ldapserver events - --status wrong-password --json

exit status: 0 something was shown; 1 no record passed; 2 wrong usage, or a file that cannot be read; {INTERRUPTED}
interrupted (--follow ends with 0). Lines that are no records are passed over, counted, and told of at the end.
"""


def main(
    arguments: Sequence[str],
    *,
    clock: Clock = SYSTEM_CLOCK,
    wait: Callable[[], object] = lambda: time.sleep(PAUSE),
) -> int:
    """Show the records; the exit status. `wait` is called between two looks at a log that is followed."""
    return ended(_PROGRAM, lambda: _Run(_options(arguments, clock), wait).run(), system=USAGE)


class _Run:
    """One run: what was shown, what was no record, and which files could not be read."""

    def __init__(self, options: argparse.Namespace, wait: Callable[[], object]) -> None:
        self._options = options
        self._wait = wait
        self._filter: Filter = options.filter
        self._lost = Lost()
        self._unreadable = False
        self._shown = 0
        self._logs: dict[str, str] = {}  # of each file: which log it is of
        self._labels: dict[str, str] = {}

    def run(self) -> int:
        paths = self._paths()
        self._labels = labels(list(dict.fromkeys(self._logs[path] for path in paths)))
        try:
            if self._options.summary:
                self._sum_up(paths)
            else:
                self._show(paths)
        finally:
            if self._lost.count:
                failed(_PROGRAM, 0, str(self._lost))
        if self._unreadable:
            return USAGE
        return 0 if self._shown or self._options.follow else NOTHING_MATCHED

    def _paths(self) -> Sequence[str]:
        paths: list[str] = []
        for log in self._options.files:
            if self._options.rotated and log != STANDARD_INPUT:
                try:
                    old = rotated(log)
                except OSError as error:
                    self._complain(log, error)
                else:
                    paths += old
                    self._logs |= dict.fromkeys(old, log)
            paths.append(log)
            self._logs.setdefault(log, log)
        return each_once(paths)

    def _named(self, path: str, events: Iterable[Event]) -> Iterable[Event]:
        """Each with its log, where there are several: what is a number in one is another's too."""
        if len(self._labels) < 2:
            return events
        log = self._logs[path]
        return (event._replace(log=log) for event in events)

    def _complain(self, path: str, error: OSError | EOFError | zlib.error) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._unreadable = True
        failed(_PROGRAM, USAGE, f"{path}: {reason}")

    def _records(self, path: str, *, progress: bool) -> Iterator[Event]:
        """The records of a file that are asked for, as far as it can be read."""
        try:
            with opened(path) as file:
                events: Iterable[Event] = read(file, path, self._lost)
                if progress and path != STANDARD_INPUT:
                    events = watched(events, file, path)
                yield from self._named(path, filter(self._filter.accepts, events) if self._filter.asks else events)
        except (OSError, EOFError, zlib.error) as error:
            self._complain(path, error)

    def _sum_up(self, paths: Sequence[str]) -> None:
        summary = Summary()
        for path in paths:
            summary.take(self._records(path, progress=True))
        self._shown = summary.records
        top = self._options.top
        if self._options.json:
            print(json.dumps(as_json(summary, top)))
        elif not summary.records:
            print("no records")
        elif is_terminal():
            show(summary, top, console())
        else:
            sys.stdout.buffer.writelines(f"{line}\n".encode() for line in plain_text(summary, top))
        sys.stdout.flush()

    def _show(self, paths: Sequence[str]) -> None:
        several = self._labels if len(self._labels) > 1 else {}
        form = json_lines() if self._options.json else xml_document() if self._options.xml else table(several)
        with form as output:
            if self._options.follow:
                self._follow(paths, output)
            else:
                self._show_all(paths, output)
        if output.left_out:
            failed(_PROGRAM, 0, f"left out of the XML, for they are no Windows events: {output.left_out:,}")

    def _show_all(self, paths: Sequence[str], output: Output) -> None:
        alone = len(paths) == 1 and not sys.stdout.isatty()
        events = merged([self._records(path, progress=alone) for path in paths])
        if self._options.lines is not None:
            events = iter(deque(events, self._options.lines))
        # What comes from a pipe may be waited for line by line.
        at_once = STANDARD_INPUT in paths
        for event in events:
            self._shown += output.show(event)
            if at_once:
                output.flush()

    def _follow(self, paths: Sequence[str], output: Output) -> None:
        last = self._options.lines
        old = [path for path in paths if path not in self._options.files]
        with ExitStack() as stack, suppress(KeyboardInterrupt):
            logs = [Followed(path, self._lost) for path in paths if path not in old]
            for log in logs:
                stack.callback(log.close)
                if log.absent:
                    failed(_PROGRAM, 0, f"{log.path}: is not there yet")
            output.begin()
            # Without a filter the last records are those of the last lines.
            lines = None if self._filter.asks else last
            asked = filter(self._filter.accepts, merged(self._named(log.path, log.begin(lines)) for log in logs))
            found = merged([*(self._records(path, progress=False) for path in old), asked])
            self._put(found if last is None else deque(found, last), output)
            for events in follow(logs, self._wait, self._named):
                self._put(filter(self._filter.accepts, events), output)

    def _put(self, events: Iterable[Event], output: Output) -> None:
        for event in events:
            self._shown += output.show(event)
        output.flush()


def _options(arguments: Sequence[str], clock: Clock) -> argparse.Namespace:
    options = _parser(clock).parse_intermixed_args(arguments, _defaults())
    options.filter = Filter(
        ids=frozenset().union(*options.ids),
        users=tuple(options.users),
        statuses=tuple(options.statuses),
        since=getattr(options, "since", None),
        until=getattr(options, "until", None),
        failed=options.failed,
    )
    given = vars(options)
    for option, other in _NOT_TOGETHER:
        if given.get(option) and given.get(other):
            raise UsageFault(f"argument --{option}: has no place with --{other}")
    if not options.summary and "top" in given:
        raise UsageFault("argument --top: has no place without --summary")
    if options.summary and "lines" in given:
        raise UsageFault("argument --lines: has no place with --summary")
    if options.follow:
        for path in options.files:
            _check_to_follow(path)
    options.top = given.get("top", _TOP)
    options.lines = given.get("lines", _LINES if options.follow else None)
    return options


_TOP = 10
_LINES = 10
_NOT_TOGETHER = (("json", "xml"), ("xml", "summary"), ("follow", "summary"))


def _defaults() -> argparse.Namespace:
    flags = dict.fromkeys(("failed", "follow", "rotated", "json", "xml", "summary"), False)
    return argparse.Namespace(ids=[], users=[], statuses=[], **flags)


def _check_to_follow(path: str) -> None:
    if path == STANDARD_INPUT:
        raise UsageFault("argument --follow: standard input is read to its end without it")
    if os.path.exists(path) and is_packed(path):
        raise UsageFault(f"argument --follow: {path}: is gzipped, and will not grow")


def _parser(clock: Clock = SYSTEM_CLOCK) -> argparse.ArgumentParser:
    names = textwrap.indent("\n".join(textwrap.wrap(", ".join(NAMES), 114, break_on_hyphens=False)), "  ")
    parser = Parser(
        prog="ldapserver events",
        description=_DESCRIPTION,
        epilog=_EPILOG.replace("{names}", names),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a log; - is standard input")
    parser.add_argument(
        "--rotated",
        action="store_true",
        help="with each FILE those that were it once, beside it: FILE-20260102T030405Z, FILE.1, FILE.2.gz",
    )
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on with what is written, over rotation and truncation"
    )
    parser.add_argument(
        "-n",
        "--lines",
        metavar="N",
        action=Once,
        type=_or_all,
        help=f"the last N that pass, or all (default: all; with --follow {_LINES})",
    )
    _add_filters(parser, clock)
    form = parser.add_argument_group("form", "a table, if none is given")
    form.add_argument(
        "--json",
        action="store_true",
        help="JSON lines, as they stand in the log, of several with log.file.path; one object of --summary",
    )
    form.add_argument("--xml", action="store_true", help="an <Events> document of Windows events")
    form.add_argument(
        "--summary",
        action="store_true",
        help="how many, whose and why they failed, and who still uses DIGEST-MD5, and how",
    )
    form.add_argument(
        "--top",
        metavar="N",
        action=Once,
        type=_or_all,
        help=f"rows of each table of --summary, or all (default: {_TOP})",
    )
    return parser


def _add_filters(parser: argparse.ArgumentParser, clock: Clock) -> None:
    filters = parser.add_argument_group("filters")
    filters.add_argument(
        "--id",
        metavar="ID,...",
        dest="ids",
        action="append",
        type=_typed(wanted_ids),
        help="events with these ids, like 4776,4625 or sasl-exchange; repeatable",
    )
    filters.add_argument(
        "--user",
        metavar="NAME",
        dest="users",
        action="append",
        help="of this account, in any case; a bare name also as DOMAIN\\NAME and NAME@domain; repeatable",
    )
    filters.add_argument(
        "--status",
        metavar="STATUS",
        dest="statuses",
        action="append",
        type=_typed(wanted_status),
        help="which ended so: 0xc000006a, wrong-password; repeatable",
    )
    when = _typed(lambda text: moment(text, clock))
    filters.add_argument("--since", metavar="TIME", action=Once, type=when, help="from this time on")
    filters.add_argument("--until", metavar="TIME", action=Once, type=when, help="before this time")
    filters.add_argument("--failed", action="store_true", help="whose outcome is failure")


def _typed(read: Callable[[str], T]) -> Callable[[str], T]:
    """`read` as a type of argparse, which tells what a ValueError says only of its own."""

    def typed(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _or_all(text: str) -> int | None:
    return None if text == "all" else positive(text)
