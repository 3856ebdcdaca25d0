"""Where the options say that audit records go."""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.log_file import look_at
from ldapserver.audit.pipe import PipeSink, is_pipe
from ldapserver.audit.render import JSONRenderer, Renderer
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import Sink, StreamSink
from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from ldapserver.audit.syslog_url import SyslogURL

STANDARD_OUTPUT = "-"
XML = "xml:"
_FIFO = "a FIFO, and no file"

_KINDS = "a file, xml:FILE, -, syslog:///PATH, syslog+udp://HOST, syslog+tcp://HOST or syslog+tls://HOST"

_log = logging.getLogger("ldapserver")


class LogHeld(UsageFault):
    """A log that another process writes."""


def sinks_of(options: argparse.Namespace, computer: str) -> list[Sink]:
    """A sink for each target of --audit, in their order; `computer` is what records name. Raises UsageFault."""
    sinks: list[Sink] = []
    check_targets(options)
    try:
        for target in options.audit:
            sinks.append(_sink(target, options, computer))
    except UsageFault:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def _sink(target: str, options: argparse.Namespace, computer: str) -> Sink:
    if target == STANDARD_OUTPUT:
        # Not by way of sys.stdout, whose buffer would keep what could not be written.
        descriptor = sys.stdout.fileno()
        return StreamSink(lambda octets: os.write(descriptor, octets), lambda: None, JSONRenderer(computer))
    if target.startswith(XML):
        # Loaded for who asks for it only, as are those of syslog.
        from ldapserver.audit.xml_form import XMLRenderer

        return _file(target, target.removeprefix(XML), XMLRenderer(computer), options)
    if is_syslog(target):
        return _syslog(target, computer)
    return _file(target, target, JSONRenderer(computer), options)


def _file(target: str, path: str, renderer: Renderer, options: argparse.Namespace) -> Sink:
    with _refused(target):
        if is_pipe(path):
            _refuse_for(target, _FIFO, options)
            return PipeSink(path, renderer)
        return FileSink(path, renderer, sync=options.audit_sync, rotation=_rotation(options))


@contextmanager
def _refused(target: str) -> Iterator[None]:
    """What the system says of a file as what is wrong with the option."""
    try:
        yield
    except BlockingIOError:
        raise LogHeld(f"argument --audit: {target}: another process writes this log") from None
    except OSError as error:
        raise UsageFault(f"argument --audit: {target}: {error.strerror}") from None


def _refuse_for(target: str, what: str, options: argparse.Namespace) -> None:
    """Raise UsageFault where options ask of this target what is for files only."""
    if options.audit_sync or _rotation(options) is not None:
        done = "synced" if options.audit_sync else "rotated"
        raise UsageFault(f"argument --audit: {target}: is {what} that could be {done}")


def _rotation(options: argparse.Namespace) -> Rotation | None:
    if options.audit_rotate_size is None and options.audit_rotate_every is None:
        return None
    return Rotation(options.audit_rotate_size, options.audit_rotate_every)


def _syslog(target: str, computer: str) -> Sink:
    from ldapserver.audit.syslog import SyslogSink
    from ldapserver.audit.syslog_message import SyslogRenderer
    from ldapserver.audit.syslog_transport import connector

    url = _syslog_url(target)
    try:
        connect = connector(url)
    except OSError as error:
        raise _unusable_ca(target, url, error) from None
    # A renderer of its own: it is used in another thread.
    renderer = SyslogRenderer(computer, JSONRenderer(computer))
    return SyslogSink(str(url), connect, renderer, report=_log.error)


def check_targets(options: argparse.Namespace) -> None:
    """Raise UsageFault for a target of --audit that is none, that is there twice, or whose CAs cannot be used."""
    seen: dict[str, str] = {}
    for target in options.audit:
        place = _place(target)
        if place in seen:
            as_what = "" if seen[place] == target else f" as {seen[place]}"
            raise UsageFault(f"argument --audit: {target}: is there already{as_what}")
        seen[place] = target


def check_files(options: argparse.Namespace) -> list[str]:
    """What there is to say of targets of --audit whose log another process writes now.

    Raises UsageFault for a file that could not be opened, made or gone on with. Nothing is.
    """
    held = []
    for target in options.audit:
        if target == STANDARD_OUTPUT or is_syslog(target):
            continue
        path = target.removeprefix(XML)
        if is_pipe(path):
            _refuse_for(target, _FIFO, options)
            continue
        try:
            with _refused(target):
                regular = look_at(path)
        except LogHeld as fault:
            held.append(str(fault))
        else:
            if not regular:
                _refuse_for(target, "no file", options)
    return held


def _place(target: str) -> str:
    """What two targets must not have in common. Raises UsageFault."""
    if target == STANDARD_OUTPUT:
        return target
    if is_syslog(target):
        url = _syslog_url(target)
        if url.ca is not None:
            from ldapserver.audit.syslog_transport import tls_context

            try:
                tls_context(url.ca)
            except OSError as error:
                raise _unusable_ca(target, url, error) from None
        return str(url)
    if "://" in target:
        raise UsageFault(f"argument --audit: {target}: must be {_KINDS}")
    path = target.removeprefix(XML)
    if not path or path == STANDARD_OUTPUT or "\0" in path:
        raise UsageFault(f"argument --audit: {target!r}: needs the path of a file")
    return os.path.realpath(path)


def is_syslog(target: str) -> bool:
    """Whether records go to a syslog receiver there."""
    scheme, colon, _ = target.partition(":")
    return bool(colon) and (scheme == "syslog" or scheme.startswith("syslog+"))


def _syslog_url(target: str) -> "SyslogURL":
    from ldapserver.audit.syslog_url import InvalidSyslogURL, SyslogURL

    try:
        return SyslogURL.parse(target)
    except InvalidSyslogURL as error:
        raise UsageFault(f"argument --audit: {target}: {error}") from None


def _unusable_ca(target: str, url: "SyslogURL", error: OSError) -> UsageFault:
    import ssl

    # OpenSSL says of such a file "no certificate or crl found", and of some nothing at all.
    why = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
    return UsageFault(f"argument --audit: {target}: {url.ca}: {why}")


def targets_of(options: argparse.Namespace, audit: AuditLog) -> Iterator[tuple[str, Sink]]:
    """Each sink with its target as it was given."""
    return zip(options.audit, audit.sinks, strict=False)


def reopen(audit: AuditLog) -> None:
    """Open the files again, which may be others by now."""
    for sink in audit.sinks:
        if isinstance(sink, FileSink):
            try:
                sink.reopen()
            except OSError as error:
                _log.error("audit: %s: cannot be opened again: %s", sink.path, error.strerror)
            else:
                _log.info("audit: %s: opened again", sink.path)
