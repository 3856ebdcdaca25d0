"""`ldapserver replay`: a recording, played as a server for a client under test."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ldapserver.capture.proof import Proof
from ldapserver.capture.replay import Replay
from ldapserver.capture.script import Script, script_of
from ldapserver.capture.source import read_conversations
from ldapserver.cli.exit_status import ended
from ldapserver.cli.password import from_stdin
from ldapserver.cli.until_signal import add_listening_options, listening_address, serve_until_signal
from ldapserver.printable import printable
from ldapserver.usage import HelpFormatter, Parser, UsageFault
from sasl_digest import Password, UsageError

_DESCRIPTION = """\
Play the server of a recording: answer a client's requests as they were answered when it was made.

A request that was not recorded is answered unwillingToPerform, and the log says what was expected. At the end the log
says which recorded requests were never asked.
"""
_EPILOG = """\
example:
  ldapserver replay session.txt --listen ldap://127.0.0.1:3899
  ldapserver replay session.txt --strict --ready-file ready --password-stdin < password.txt

A client of DIGEST-MD5 answers differently each time, so what it sends is not compared: it gets the recorded verdict,
and with it the recorded rspauth, which a client that verifies it refuses. With --password-stdin the response is
verified, and rspauth is made anew. Nothing inside a security layer or inside TLS can be replayed.

exit status: 0 ended by a signal; with --strict 1 if a request did not match, or one was never asked; 2 wrong usage or
file.
"""

_log = logging.getLogger("ldapserver")


def main(arguments: Sequence[str]) -> int:
    """Play until SIGTERM or SIGINT; the exit status."""
    return ended("ldapserver replay", lambda: _replay(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ldapserver replay",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("recording", metavar="FILE", help="of `ldapserver record`, or of tcpdump or Wireshark")
    add_listening_options(parser)
    help = "take each request only in its turn and as it was, octet for octet in its values and controls"
    parser.add_argument("--strict", action="store_true", help=help)
    help = "read the password of DIGEST-MD5 binds from the first line of standard input"
    parser.add_argument("--password-stdin", action="store_true", help=help)
    return parser


def _replay(options: argparse.Namespace) -> int:
    logging.basicConfig(stream=sys.stderr, level="INFO", format="ldapserver: %(message)s", force=True)
    listening = listening_address(options)
    if listening[0].tls:
        raise UsageFault("argument --listen: a replay speaks in the clear: ldap:// or ldapi://")
    script = _script(options.recording, strict=options.strict)
    replay = Replay(script, options.strict, _proof() if options.password_stdin else None, _warn)
    from ldapserver.capture.replay_protocol import ReplayFactory

    factory = ReplayFactory(replay)
    requests = sum(len(each.exchanges) for each in script.connections)
    about = [f"{options.recording}: {_many(requests, 'request')} on {_many(len(script.connections), 'connection')}"]
    serve_until_signal("replay", options, listening, factory, about=about, stop=factory.stop)
    for line in replay.summing_up():
        _warn(line)
    return 1 if options.strict and (replay.mismatches or script.unasked) else 0


def _script(path: str, *, strict: bool) -> Script:
    """What to play. What of it can't be is said, and with `strict` is a UsageFault."""
    from ldapserver.capture.packet_library import MissingExtra
    from ldapserver.capture.packets import InvalidCapture
    from ldapserver.capture.recording import InvalidRecording
    from ldapserver.capture.script import CannotReplay

    def warn(line: str) -> None:
        if strict:
            raise CannotReplay(line)
        _warn(line)

    try:
        recorded = read_conversations(path, warn)
        return script_of(recorded.conversations, warn, redacted=recorded.redacted)
    except CannotReplay as error:
        raise UsageFault(f"{path}: {error}") from None
    except (InvalidCapture, InvalidRecording, MissingExtra) as error:
        raise UsageFault(str(error)) from None
    except OSError as error:
        raise UsageFault(f"{path}: {error.strerror}") from None


def _proof() -> Proof:
    try:
        return Proof(Password(from_stdin()))
    except UsageError as error:
        raise UsageFault(f"argument --password-stdin: {error}") from None


def _warn(line: str) -> None:
    _log.warning("%s", printable(line))


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
