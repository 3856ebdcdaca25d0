"""An LDAP server for tests that accepts SASL DIGEST-MD5 and writes a Windows 4776 record for each verdict."""

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
