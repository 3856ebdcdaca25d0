"""`ldapserver record`: a proxy between a client and a server, and what they say in a file."""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ldapserver.capture.recorder import OwnFile, Recorder, Sink, TextSink, write_pcap, write_recording
from ldapserver.cli.exit_status import ended
from ldapserver.cli.until_signal import add_listening_options, listening_address, serve_until_signal
from ldapserver.clock import SYSTEM_CLOCK
from ldapserver.hosting.tls import certificate_of
from ldapserver.printable import printable
from ldapserver.url import ListenURL
from ldapserver.usage import HelpFormatter, Parser, UsageFault

if TYPE_CHECKING:
    from ldapserver.certificates import ServerCertificate

_DESCRIPTION = """\
Stand between a client and a server, hand on what they say, octet for octet, and write it down.

The file is readable: each message with its time, in words and in octets. `ldapserver replay` plays it as a server,
`ldp explain` says why a bind in it failed, and --pcap writes the same for Wireshark.
"""
_EPILOG = """\
example:
  ldapserver record --listen ldap://127.0.0.1:3899 --to ldap://dc1.example.com --out session.txt --pcap session.pcap
  ldapserver record --to ldaps://dc1.example.com --ca ca.pem --out session.txt
  ldapserver record --from capture.pcap --redact --out session.txt

TLS that client and server make between themselves, StartTLS too, is recorded as octets that nobody can read. To read
what is said, have the client speak in the clear, or inside TLS of ours (--listen ldaps://... --tls auto), and let us
speak TLS to the server (--to ldaps://...), whose certificate is verified.

Passwords never stand in the words of the file, and always in its octets, unless --redact writes over them; so the
files are readable by you alone. Strings of DIGEST-MD5 stay as they are: whoever has them can try passwords on them.

exit status: 0 ended by a signal, or done; 1 a file could not be written to its end; 2 wrong usage or file.
"""

_log = logging.getLogger("ldapserver")


def main(arguments: Sequence[str]) -> int:
    """Record until SIGTERM or SIGINT; the exit status."""
    return ended("ldapserver record", lambda: _record(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="ldapserver record",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add_listening_options(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--to", metavar="URL", help="the server: ldap://HOST:PORT, ldaps:// or ldapi://%%2Fpath")
    source.add_argument(
        "--from", metavar="FILE", dest="source", help="no proxy: take what a capture or recording has"
    )
    parser.add_argument("--out", metavar="FILE", help="the readable file, which must not be there yet")
    parser.add_argument("--pcap", metavar="FILE", help="a capture for Wireshark; needs sasl-digest[capture]")
    parser.add_argument(
        "--redact", action="store_true", help="write over passwords in the octets too, in their length"
    )
    tls = parser.add_argument_group("TLS")
    tls.add_argument(
        "--ca", metavar="FILE", help="who answers for the server's certificate, in PEM (default: system's)"
    )
    tls.add_argument("--tls", choices=("auto",), help="for --listen ldaps://: a certificate made for this run")
    tls.add_argument("--tls-ca-out", metavar="FILE", help="write the CA of that, in PEM, for the client to trust")
    tls.add_argument("--tls-cert", metavar="FILE", help="for --listen ldaps://: a certificate of yours, in PEM")
    tls.add_argument("--tls-key", metavar="FILE", help="the key that belongs to it")
    return parser


def _record(options: argparse.Namespace) -> int:
    logging.basicConfig(stream=sys.stderr, level="INFO", format="ldapserver: %(message)s", force=True)
    if options.out is None and options.pcap is None:
        raise UsageFault("one of --out and --pcap is needed: there is nowhere to write to")
    if options.source is not None:
        return _convert(options)
    listening = listening_address(options)
    to = ListenURL.parse(options.to)
    certificate = _certificate(options, listening[0])
    trusted = _trusted(options, to)
    recorder = Recorder(_sinks(options), _lost, options.redact)
    from twisted.internet import reactor

    from ldapserver.capture.listening import upstream
    from ldapserver.capture.proxy import RecordingProxy

    proxy = RecordingProxy(upstream(reactor, to, trusted), recorder, SYSTEM_CLOCK.seconds)
    try:
        about = [f"to {to}, into {' and '.join(filter(None, (options.out, options.pcap)))}"]
        serve_until_signal("record", options, listening, proxy, certificate, about=about, stop=proxy.stop)
    finally:
        recorder.close()
    return 1 if recorder.failed else 0


def _sinks(options: argparse.Namespace) -> list[Sink]:
    """The files. Raises UsageFault."""
    from ldapserver.capture.packet_library import MissingExtra

    sinks: list[Sink] = []
    option = ""
    try:
        if options.pcap is not None:
            from ldapserver.capture.pcap_file import PcapSink

            option = "--pcap"
            sinks.append(PcapSink(OwnFile(options.pcap)))
        if options.out is not None:
            option = "--out"
            sinks.append(TextSink(OwnFile(options.out), SYSTEM_CLOCK.seconds(), redacted=options.redact))
    except MissingExtra as missing:
        raise UsageFault(f"argument --pcap: {missing}") from None
    except OSError as error:
        raise UsageFault(f"argument {option}: {getattr(options, option[2:])}: {error.strerror}") from None
    return sinks


def _certificate(options: argparse.Namespace, url: ListenURL) -> "ServerCertificate | None":
    """What to show clients; None for a listener in the clear. Raises UsageFault."""
    given = [name for name in ("tls", "tls_cert", "tls_key", "tls_ca_out") if getattr(options, name) is not None]
    if not url.tls:
        if given:
            raise UsageFault(f"argument --{given[0].replace('_', '-')}: is for --listen ldaps://")
        return None
    if (options.tls is None) == (options.tls_cert is None) or (options.tls_cert is None) != (options.tls_key is None):
        raise UsageFault("argument --listen: ldaps:// needs --tls auto, or --tls-cert and --tls-key")
    if options.tls is None and options.tls_ca_out is not None:
        raise UsageFault("argument --tls-ca-out: is for --tls auto")
    if options.tls is None:
        from ldapserver.hosting.tls import read_certificate

        return read_certificate(options)
    from ldapserver.config import own_names

    made: Any = argparse.Namespace(tls="auto", tls_cert=None, tls_ca_out=options.tls_ca_out, listen=[url])
    return certificate_of(made, argparse.Namespace(hosts=(), computer=next(iter(own_names()), "localhost")))  # type: ignore[arg-type]


def _trusted(options: argparse.Namespace, to: ListenURL) -> Any:
    """Who answers for the server. Raises UsageFault."""
    if not to.tls:
        if options.ca is not None:
            raise UsageFault("argument --ca: is for --to ldaps://")
        return None
    from ldapserver.capture.listening import trusted_by
    from ldapserver.certificates import InvalidCertificate

    try:
        if options.ca is None:
            return trusted_by(None)
        with open(options.ca, "rb") as file:
            return trusted_by(file.read())
    except InvalidCertificate as error:
        raise UsageFault(f"argument --ca: {options.ca}: {error}") from None
    except OSError as error:
        raise UsageFault(f"argument --ca: {options.ca}: {error.strerror}") from None


def _convert(options: argparse.Namespace) -> int:
    """Write what a file has into others."""
    from ldapserver.capture.packet_library import MissingExtra
    from ldapserver.capture.packets import InvalidCapture
    from ldapserver.capture.recording import InvalidRecording
    from ldapserver.capture.source import read_conversations

    try:
        recorded = read_conversations(options.source, lambda line: _log.warning("%s", printable(line)))
        redact = options.redact or recorded.redacted
        for path, write in ((options.out, write_recording), (options.pcap, write_pcap)):
            if path is not None:
                write(path, recorded.conversations, redact=redact)
    except (InvalidCapture, InvalidRecording, MissingExtra) as error:
        raise UsageFault(f"argument --from: {error}") from None
    except OSError as error:
        raise UsageFault(f"{error.filename}: {error.strerror}") from None
    return 0


def _lost(error: OSError) -> None:
    _log.error("%s: %s: nothing more is recorded there", error.filename, error.strerror)
