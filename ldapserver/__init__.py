"""An LDAP server for tests that accepts SASL DIGEST-MD5 and writes a Windows 4776 record for each verdict."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ldapserver.audit.file import FileSink
    from ldapserver.audit.log import AuditLog
    from ldapserver.audit.record import BindRecord, EventRecord, Record
    from ldapserver.audit.render import JSONRenderer, Renderer, XMLRenderer
    from ldapserver.audit.rotation import Rotation
    from ldapserver.audit.sinks import AuditUnavailable, MemorySink, Sink, StreamSink
    from ldapserver.audit.status import BindReason, Status
    from ldapserver.clock import Clock, StoppedClock
    from ldapserver.config import Config
    from ldapserver.directory.account import Account
    from ldapserver.directory.directory import Directory
    from ldapserver.directory.memory import MemoryDirectory
    from ldapserver.service import Service

__all__ = [
    "Account",
    "AuditLog",
    "AuditUnavailable",
    "BindReason",
    "BindRecord",
    "Clock",
    "Config",
    "Directory",
    "EventRecord",
    "FileSink",
    "JSONRenderer",
    "MemoryDirectory",
    "MemorySink",
    "Record",
    "Renderer",
    "Rotation",
    "Service",
    "Sink",
    "Status",
    "StoppedClock",
    "StreamSink",
    "XMLRenderer",
]

# Loaded when they are first asked for: the pytest plugin is in here, and so this is part of every run of pytest of
# whoever has us installed.
_MODULES = {
    "Account": "ldapserver.directory.account",
    "AuditLog": "ldapserver.audit.log",
    "AuditUnavailable": "ldapserver.audit.sinks",
    "BindReason": "ldapserver.audit.status",
    "BindRecord": "ldapserver.audit.record",
    "Clock": "ldapserver.clock",
    "Config": "ldapserver.config",
    "Directory": "ldapserver.directory.directory",
    "EventRecord": "ldapserver.audit.record",
    "FileSink": "ldapserver.audit.file",
    "JSONRenderer": "ldapserver.audit.render",
    "MemoryDirectory": "ldapserver.directory.memory",
    "MemorySink": "ldapserver.audit.sinks",
    "Record": "ldapserver.audit.record",
    "Renderer": "ldapserver.audit.render",
    "Rotation": "ldapserver.audit.rotation",
    "Service": "ldapserver.service",
    "Sink": "ldapserver.audit.sinks",
    "Status": "ldapserver.audit.status",
    "StoppedClock": "ldapserver.clock",
    "StreamSink": "ldapserver.audit.sinks",
    "XMLRenderer": "ldapserver.audit.render",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
