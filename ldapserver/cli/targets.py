"""Where the options say that audit records go."""

import argparse
import logging
import sys

from ldapserver.audit.file import FileSink
from ldapserver.audit.log import AuditLog
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.rotation import Rotation
from ldapserver.audit.sinks import Sink, StreamSink
from ldapserver.cli.usage import UsageFault

_log = logging.getLogger("ldapserver")


def sinks_of(options: argparse.Namespace, renderer: JSONRenderer) -> list[Sink]:
    sinks: list[Sink] = []
    check_targets(options)
    for target in options.audit:
        if target == "-":
            sinks.append(StreamSink(sys.stdout.buffer.write, sys.stdout.buffer.flush, renderer))
            continue
        try:
            sink = FileSink(target, renderer, sync=options.audit_sync, rotation=_rotation(options))
        except BlockingIOError:
            raise UsageFault(f"argument --audit: {target}: another process writes this log") from None
        except OSError as error:
            raise UsageFault(f"argument --audit: {target}: {error.strerror}") from None
        sinks.append(sink)
    return sinks


def _rotation(options: argparse.Namespace) -> Rotation | None:
    if options.audit_rotate_size is None and options.audit_rotate_every is None:
        return None
    return Rotation(options.audit_rotate_size, options.audit_rotate_every)


def check_targets(options: argparse.Namespace) -> None:
    """Raise UsageFault for a target of --audit that is of no known kind."""
    for target in options.audit:
        scheme = target.partition(":")[0]
        if scheme in ("xml", "syslog", "syslog+udp", "syslog+tcp", "syslog+tls") and ":" in target:
            raise UsageFault(f"argument --audit: {target}: {scheme} is not supported in this version")


def reopen(audit: AuditLog) -> None:
    for sink in audit.sinks:
        if isinstance(sink, FileSink):
            try:
                sink.reopen()
            except OSError as error:
                _log.error("audit: %s: cannot be opened again: %s", sink.path, error.strerror)
            else:
                _log.info("audit: %s: opened again", sink.path)
