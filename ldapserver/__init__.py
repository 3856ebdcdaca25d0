"""An LDAP server for tests that accepts SASL DIGEST-MD5 and writes a Windows 4776 record for each verdict."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

# Imported when they are asked for: whoever wants one module of the package, as pytest wants that of our plugin
# in each of its runs, need not wait for all the others.
_MODULES = {
    "FileSink": "audit.file",
    "AuditLog": "audit.log",
    "BindRecord": "audit.record",
    "EventRecord": "audit.record",
    "Record": "audit.record",
    "JSONRenderer": "audit.render",
    "Renderer": "audit.render",
    "XMLRenderer": "audit.render",
    "Rotation": "audit.rotation",
    "AuditUnavailable": "audit.sinks",
    "MemorySink": "audit.sinks",
    "Sink": "audit.sinks",
    "StreamSink": "audit.sinks",
    "BindReason": "audit.status",
    "Status": "audit.status",
    "Clock": "clock",
    "StoppedClock": "clock",
    "Config": "config",
    "Account": "directory.account",
    "Directory": "directory.directory",
    "MemoryDirectory": "directory.memory",
    "Service": "service",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
