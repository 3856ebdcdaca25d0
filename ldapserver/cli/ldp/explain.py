"""`ldp explain`: why did it fail? A captured exchange, computed again with the password at hand.

The reason comes first, in a sentence; then what is wrong whatever the password is, and every value on the way. The
password is not shown, nor what is as good as it is.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ldapserver.cli.exit_status import Failure, ended
from ldapserver.cli.password import NoPassword, asked, from_stdin
from ldapserver.printable import printable
from ldapserver.usage import HelpFormatter, Parser, UsageFault

if TYPE_CHECKING:
    from sasl_digest.explaining import Exchange, Explanation, Finding
    from sasl_digest.explaining.explanation import Known

PROGRAM = "ldp explain"
RIGHT, WRONG, UNEXPLAINED, NOT_COMPUTED, USAGE = 0, 1, 2, 3, 64
PASSWORD = "LDP_PASSWORD"
HASH = "LDP_HA1"
MOST = 16 * 1024 * 1024  # octets of a text file

# How the captures of tcpdump and Wireshark begin: pcap in either byte order and with either unit of time, pcapng.
_PCAP = tuple(bytes.fromhex(magic) for magic in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a"))
_RECORDING = b"ldapserver-recording "
_DIGITS = re.compile(r"[0-9A-Fa-f]{32}")

_DESCRIPTION = """\
Say why a DIGEST-MD5 bind failed: compute a captured exchange again with the password, or with its HA1, and say in
words which reading of it would have matched. Nothing is sent anywhere.
"""
_EPILOG = """\
FILE is a capture of tcpdump or Wireshark (with the extra capture), a recording of `ldapserver record`, or text with a
line for each message, raw, in base64 or in hexadecimal:
  challenge: realm="contoso.com",nonce="...",qop="auth",algorithm=md5-sess,charset=utf-8
  response: username="alice",realm="contoso.com",nonce="...",nc=00000001,cnonce="...",...
  rspauth: rspauth=...
The last may be missing, and so may the challenge. '-' is standard input.

examples:
  ldp explain failed.txt
  tcpdump -i lo -w bind.pcap port 3890    and then    ldp explain bind.pcap --exchange 2
  ldp explain failed.txt --realm CONTOSO --host dc1.contoso.com --json

The password is asked for, unless --password, --password-stdin, LDP_PASSWORD, --ha1-file or LDP_HA1 give it.

exit status: 0 all is right with this password; 1 why not is said; 2 nothing that is known here gives the response:
most likely the password is another; 3 there was nothing to compute; 64 usage, or FILE cannot be read.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One exchange of a file: `what` says which, `verdict` what the server answered, where that was seen."""

    exchange: "Exchange"
    what: str = ""
    verdict: str = ""


def main(arguments: Sequence[str]) -> int:
    """Run `ldp explain`; the exit status."""
    return ended(PROGRAM, lambda: _run(arguments), system=USAGE)


def _run(arguments: Sequence[str]) -> int:
    from sasl_digest import UsageError

    try:
        options = _parser().parse_args(arguments)
        if options.password_stdin and options.file == "-":
            raise UsageFault("argument --password-stdin: FILE is standard input already")
        found = _chosen(options, _exchanges(options.file))
        known = _known(options, found.exchange)
    except (UsageFault, UsageError, NoPassword) as fault:
        raise Failure(USAGE, str(fault)) from None
    from sasl_digest.explaining import Hints, explain

    explanation = explain(
        found.exchange,
        known,
        hints=Hints(tuple(options.name), tuple(options.realm), tuple(options.host)),
        service=None if options.service == "any" else options.service,
        show_hashes=options.show_hashes,
        depth=3 if options.deep else 2,
    )
    if options.json:
        print(json.dumps(as_json(explanation), ensure_ascii=False))
    else:
        _print(explanation, found)
    return _status(explanation)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG, formatter_class=HelpFormatter, allow_abbrev=False
    )
    parser.add_argument("file", metavar="FILE", help="a text file, a capture, or '-'")
    parser.add_argument("--exchange", metavar="N", type=int, help="which exchange of FILE, where there are several")
    secret = parser.add_mutually_exclusive_group()
    help = "others on this machine can see it; 'prompt', the default, asks for it"
    secret.add_argument("-p", "--password", help=help)
    secret.add_argument("--password-stdin", action="store_true", help="read it from the first line of standard input")
    help = "in place of a password: H(user:realm:password), 32 hexadecimal digits, or a line USER:REALM:HASH for it"
    secret.add_argument("--ha1-file", metavar="PATH", help=help)
    secret.add_argument("--no-password", action="store_true", help="say what can be said without one")
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--name", help="another name of the account, to be tried; repeatable", **several)
    parser.add_argument("--realm", help="another name of the domain, likewise", **several)
    parser.add_argument("--host", help="a name of the server, which digest-uri should have; repeatable", **several)
    help = "the serv-type that digest-uri should have, or any (default: ldap)"
    parser.add_argument("--service", default="ldap", help=help)
    parser.add_argument(
        "--deep", action="store_true", help="try three departures at once too: it takes a second or more"
    )
    help = "show H(user:realm:password) and H(A1) too: whoever has them needs no password"
    parser.add_argument("--show-hashes", action="store_true", help=help)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


# What is explained.


def _exchanges(path: str) -> list[Found]:
    """Those in the file. Raises UsageFault and UsageError."""
    if path == "-":
        data = sys.stdin.buffer.read(MOST + 1)
    else:
        try:
            with open(path, "rb") as file:
                data = file.read(MOST + 1)
        except OSError as error:
            raise UsageFault(f"{path}: {error.strerror}") from None
        if data[:4] in _PCAP or data.startswith(_RECORDING):
            return list(_captured(path))
    if len(data) > MOST:
        raise UsageFault(f"{path}: longer than {MOST} octets; a text file was due, or a capture by its name")
    from sasl_digest import UsageError
    from sasl_digest.explaining.transcript import read_transcript

    try:
        text = data.decode("utf-8-sig", "surrogateescape")
        return [Found(each) for each in read_transcript(text)]
    except UsageError as error:
        raise UsageFault(f"{path}: {error}") from None


def _captured(path: str) -> Iterator[Found]:
    """The exchanges of a capture, or of a recording of ours. Raises UsageFault."""
    from sasl_digest.explaining import Exchange

    # Loaded for them only: captures need a library to be read.
    exchanges, source = import_module("ldapserver.capture.exchanges"), import_module("ldapserver.capture.source")
    library = import_module("ldapserver.capture.packet_library")
    try:
        conversations = source.read_conversations(path, partial(print, f"{PROGRAM}:", file=sys.stderr)).conversations
    except (ValueError, library.MissingExtra) as error:
        raise UsageFault(str(error)) from None
    for conversation in conversations:
        for each in exchanges.digest_exchanges(conversation):
            at = datetime.fromtimestamp(each.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            verdict = "" if each.result_code is None else f"result {each.result_code}"
            if each.diagnostic_message:
                verdict += ": " + each.diagnostic_message.rstrip("\0")
            exchange = Exchange(each.response, each.challenge, each.rspauth)
            yield Found(exchange, f"{at} UTC, from {each.client}", verdict)


def _chosen(options: argparse.Namespace, found: Sequence[Found]) -> Found:
    if not found:
        raise UsageFault(f"{options.file}: there is no DIGEST-MD5 exchange in it")
    if options.exchange is None and len(found) > 1:
        listed = "".join(f"\n  {number}  {_summary(each)}" for number, each in enumerate(found, 1))
        print(f"{len(found)} exchanges:{listed}", file=sys.stderr)
        raise UsageFault(f"{options.file}: which of them? --exchange N")
    number = 1 if options.exchange is None else options.exchange
    if not 1 <= number <= len(found):
        raise UsageFault(f"argument --exchange: {number}: there are {len(found)}")
    return found[number - 1]


def _summary(found: Found) -> str:
    name = found.exchange.text("username")
    parts = [found.what, "" if name is None else f"username {name}", found.verdict]
    return printable("; ".join(part for part in parts if part))


def _known(options: argparse.Namespace, exchange: "Exchange") -> "list[Known]":
    from sasl_digest import HA1, Password, read_htdigest

    if options.no_password:
        return []
    if options.password_stdin:
        return [Password(from_stdin())]
    if options.password not in (None, "prompt"):
        return [Password(options.password)]
    if options.password is None:
        text = None
        if options.ha1_file is not None:
            try:
                with open(options.ha1_file, encoding="utf-8") as file:
                    text = file.read(MOST)
            except OSError as error:
                raise UsageFault(f"argument --ha1-file: {options.ha1_file}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise UsageFault(f"argument --ha1-file: {options.ha1_file}: not UTF-8") from None
        elif HASH in os.environ:
            text = os.environ[HASH]
        if text is not None:
            if _DIGITS.fullmatch(text.strip()):
                return [HA1(bytes.fromhex(text.strip()))]
            hashes = read_htdigest(text)
            if not hashes:
                raise UsageFault("there is no hash: 32 hexadecimal digits are due, or lines USER:REALM:HASH")
            # Of a file with many users those of this one, where it has any.
            name = (exchange.text("username") or "").casefold()
            own = [each for (user, _), each in hashes.items() if user.casefold() == name]
            return list(own or hashes.values())
        if PASSWORD in os.environ:
            return [Password(os.environ[PASSWORD])]
    return [Password(asked(printable(exchange.text("username") or "the account")))]


# What is said.


def _status(explanation: "Explanation") -> int:
    from sasl_digest.explaining import Verdict

    if explanation.right:
        return RIGHT
    verdict = explanation.response.verdict
    if verdict is Verdict.NONE:
        return UNEXPLAINED
    return NOT_COMPUTED if verdict is Verdict.NOT_TRIED and not explanation.grave else WRONG


def _print(explanation: "Explanation", found: Found) -> None:
    _say(explanation.headline)
    if not explanation.response.readings and explanation.response.tried:
        _say(f"  {explanation.response.tried} readings were tried.")
    for finding in (explanation.response, explanation.rspauth):
        for reading in () if finding is None else finding.readings:
            for departure in reading.departures:
                if departure.because:
                    _say(f"  {departure.aspect}: {', or '.join(departure.because)}")
    if found.what or found.verdict:
        _say(f"\nExchange: {_summary(found)}")
    if explanation.broken:
        _say("\nWhatever the password is:")
        for rule in explanation.broken:
            _say(f"  {rule}" + ("" if rule.grave else " (no reason to refuse it)"))
    _tables("response", explanation.response)
    if explanation.rspauth is not None:
        _say(f"\n{explanation.rspauth.headline}")
        if not explanation.right:
            _tables("rspauth", explanation.rspauth)
    for each in explanation.untried:
        _say(f"\nNot tried, for want of the password: {each}")


def _tables(digest: str, finding: "Finding") -> None:
    """Every value as RFC 2831 has it, and what is another in each reading that matches."""
    from sasl_digest.explaining.explanation import values_of

    if not finding.values:
        return
    _say(f"\nThe {digest} as RFC 2831 has it:")
    for value in finding.values:
        _say(f"  {value.name:9}{value}")
    if finding.sent:
        _say(f"  {'sent':9}{finding.sent}")
    for reading in finding.readings:
        if reading.departures:
            _say("\nAs it was made:" if len(finding.readings) == 1 else f"\nMade of {reading.words}:")
            for due, value in zip(finding.values, values_of(reading, digest), strict=True):
                if value != due:
                    _say(f"  {value.name:9}{value}")


def _say(line: str) -> None:
    head = len(line) - len(line.lstrip("\n"))
    print("\n" * head + printable(line[head:]))


def as_json(explanation: "Explanation") -> dict[str, Any]:
    """What `--json` prints; what is kept to itself is null."""
    rspauth = explanation.rspauth
    return {
        "headline": explanation.headline,
        "right": explanation.right,
        "broken": [{"about": each.about, "rule": each.words, "grave": each.grave} for each in explanation.broken],
        "response": _finding(explanation.response),
        "rspauth": None if rspauth is None else _finding(rspauth),
        "untried": list(explanation.untried),
    }


def _finding(finding: "Finding") -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "headline": finding.headline,
        "readings": [
            [
                {"aspect": each.aspect, "words": each.words, "because": list(each.because)}
                for each in reading.departures
            ]
            for reading in finding.readings
        ],
        "tried": finding.tried,
        "values": {each.name: each.value for each in finding.values},
        "sent": finding.sent,
    }
