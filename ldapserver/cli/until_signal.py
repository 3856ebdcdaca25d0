"""Listening at one URL until a signal ends it: what `record` and `replay` have in common."""

import argparse
import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ldapserver.capture.listening import open_port
from ldapserver.hosting.listening import listening_addresses
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile

if TYPE_CHECKING:
    from ldapserver.certificates import ServerCertificate

TURNS = 4  # of the reactor, behind a signal

_log = logging.getLogger("ldapserver")


def add_listening_options(parser: argparse.ArgumentParser) -> None:
    """--listen and what belongs to it."""
    parser.add_argument(
        "--listen",
        metavar="URL",
        default="ldap://127.0.0.1:0",
        help="where the client connects to; port 0 is any free one (default: ldap://127.0.0.1:0)",
    )
    parser.add_argument(
        "--insecure-public",
        action="store_true",
        help="allow ldap:// on an address that others can reach, where passwords may come in the clear",
    )
    parser.add_argument("--ready-file", metavar="FILE", help="written when it listens: one URL")


def listening_address(options: argparse.Namespace) -> tuple[ListenURL, str]:
    """The URL of --listen, and its IP address. Raises UsageFault and InvalidURL."""
    url = ListenURL.parse(options.listen)
    public = argparse.Namespace(
        listen=[url],
        insecure_public=options.insecure_public,
        require_signing=False,
        explain=False,
        tls=None,
        tls_cert=None,
    )
    ((url, address),) = listening_addresses(public)
    return url, address


def serve_until_signal(
    program: str,
    options: argparse.Namespace,
    listening: tuple[ListenURL, str],
    factory: Any,
    certificate: "ServerCertificate | None" = None,
    *,
    about: Sequence[str] = (),
    stop: Callable[[], object],
) -> None:
    """Listen, say so and what there is to say `about` it, and go on until SIGTERM or SIGINT. Raises UsageFault."""
    from twisted.internet import reactor as installed
    from twisted.internet.defer import Deferred
    from twisted.internet.task import deferLater
    from twisted.python import log

    reactor = cast(Any, installed)
    log.PythonLoggingObserver("ldapserver.twisted").start()  # type: ignore[no-untyped-call]  # Twisted's own
    logging.getLogger("ldapserver.twisted").setLevel(logging.WARNING)
    url, port = open_port(reactor, listening, factory, certificate)
    refused: list[str] = []

    def announce() -> None:
        if options.ready_file is not None:
            try:
                with WholeFile(options.ready_file, private=False) as file:
                    file.write(f"{url}\n".encode())
            except OSError as error:
                refused.append(f"argument --ready-file: {options.ready_file}: {error.strerror}")
                reactor.stop()
                return
        for line in (f"listening on {url}", *about):
            _log.info("%s", line)

    async def stopping() -> None:
        # What has come by now was said before the end, and is heard: a connection, its octets, and what they lead to.
        for _ in range(TURNS):
            await deferLater(reactor, 0)
        stop()
        await port.stopListening()

    reactor.callWhenRunning(announce)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(stopping()))
    reactor.run()
    if refused:
        raise UsageFault(refused[0])
    if options.ready_file is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(options.ready_file)
