"""From options to the parts of a server: its directory, its settings, its service."""

import argparse
import gc
import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ldapserver.audit.log import AuditLog
from ldapserver.clock import SYSTEM_CLOCK, Clock
from ldapserver.config import Config, InvalidConfig, netbios_name, own_names
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.ldif import InvalidLDIF, Record, Report
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.policy import Policy, PolicySettings
from ldapserver.directory.profile import Profile
from ldapserver.directory.schema import InvalidSchema, Schema, load_schema
from ldapserver.hosting.ldif_file import records_of
from ldapserver.hosting.option_groups import DEFAULT_SUFFIX
from ldapserver.hosting.progress import after_reading
from ldapserver.service import Service
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import DN, InvalidDN
from sasl_digest import UsageError
from sasl_digest.saslprep import prepare

if TYPE_CHECKING:
    from ldapserver.faults.plan import FaultPlan

# Objects made and not dropped again between two looks for garbage: more than the slices of a few searches make. A
# full look goes through all that indexes, and searches under way, hold; in a large directory that is tens of
# milliseconds in which nobody is answered. It comes after a hundred times as many.
_COLLECT_AFTER = 20_000

_log = logging.getLogger("ldapserver")


@contextmanager
def what_stays() -> Iterator[None]:
    """What is made meanwhile stays as long as this process: nothing of it is looked at for garbage, now or later.

    For a process that is a server and nothing else: how it looks for garbage is another from here on.
    """
    # A directory is millions of objects that all stay: collecting among them is time for nothing.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


def load(
    options: argparse.Namespace,
    read: Callable[[str], Iterable[Record]] = records_of,
    report: Report | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> MemoryDirectory:
    """The directory of these options; `read` gives the records of a file, `clock` the time. Raises UsageFault.

    With `report`, each thing that is wrong in a file is told to it.
    """
    suffixes = [_dn("--suffix", text) for text in options.suffix]
    if not suffixes and not options.ldif:
        suffixes = [DN.parse(DEFAULT_SUFFIX)]
    for admin in options.admin:
        _dn("--admin", admin)
    if options.saslprep:
        try:
            prepare("", "password")
        except UsageError as error:  # the library is not installed
            raise UsageFault(f"argument --saslprep: {error}") from None
    active_directory = options.profile == "ad"
    schema = _schema(options.schema_file, active_directory=active_directory)
    policy = policy_of(options)
    try:
        return MemoryDirectory(
            ((path, read(path)) for path in options.ldif),
            suffixes=suffixes,
            netbios=options.netbios,
            realm=options.realm,
            saslprep=options.saslprep,
            schema=schema,
            conformance=Conformance(options.schema),
            profile=_active_directory(policy) if active_directory else None,
            policy=Policy(**policy),
            report=report,
            clock=clock,
            watch=after_reading(options.ldif),
        )
    except InvalidLDIF as error:
        raise UsageFault(f"argument --ldif: {error}") from None


def configure(
    options: argparse.Namespace,
    directory: MemoryDirectory,
    addresses: Sequence[str],
    names: Callable[[], Sequence[str]] = own_names,
) -> Config:
    """The settings of a server of this directory that listens on these addresses, on a machine of these `names`.

    Raises UsageFault.
    """
    host, realm = socket.gethostname(), directory.realm
    # A machine that does not know its domain is taken to be in the one it serves.
    computer = host if "." in host or not realm else f"{host}.{realm}"
    own = (*names(), computer, *(address for address in addresses if address))
    try:
        return Config(
            realm=realm,
            netbios=directory.netbios,
            hosts=tuple(options.host) or own,
            computer=computer,
            workstation=netbios_name(host) if options.workstation == "server" else options.workstation,
            mechanisms=tuple(dict.fromkeys(options.mechanism)),
            certificate_maps=options.cert_map or Config.certificate_maps,
            saslprep=options.saslprep,
            utf8=options.charset == "utf-8",
            qop=options.qop,
            ciphers=options.cipher,
            maxbuf=options.maxbuf,
            channel_binding=options.channel_binding,
            remember=options.remember,
            require_signing=options.require_signing,
            ad_errors=options.ad_errors,
            ad_build=options.ad_build,
            layer_inside_tls=not options.no_layer_inside_tls,
            logon_events=options.events == "logon",
            explain=options.explain,
            admins=tuple(options.admin),
            anonymous_search=options.anonymous_search,
            read_only=options.workers > 1,
            max_connections=options.max_connections,
            max_message=options.max_message,
            size_limit=options.size_limit,
            time_limit=options.time_limit,
            max_sorted=options.sort_limit,
            idle_timeout=options.idle_timeout,
            handshake_timeout=options.handshake_timeout,
        )
    except InvalidConfig as error:
        raise UsageFault(str(error)) from None


def assemble(
    config: Config,
    directory: MemoryDirectory,
    audit: AuditLog,
    faults: "FaultPlan | None" = None,
    ids: Iterator[int] | None = None,
) -> Service:
    """The service of these settings, in which `faults` go wrong; `ids` are those of its logons. Raises UsageFault."""
    try:
        return Service.assemble(config, directory, audit, faults=faults, ids=ids)
    except UsageError as error:  # terms that no client could meet: a realm that fills the challenge
        raise UsageFault(f"argument --realm: {error}") from None


def policy_of(options: argparse.Namespace) -> PolicySettings:
    """What was asked of accounts, as far as somebody has."""
    policy: PolicySettings = {"spare_old_passwords": options.spare_old_passwords}
    if options.lockout_threshold is not None:
        policy["lockout_threshold"] = options.lockout_threshold
    if options.lockout_window is not None:
        policy["lockout_window"] = options.lockout_window
    if options.lockout_duration is not None:
        policy["lockout_duration"] = options.lockout_duration
    if options.max_password_age is not None:
        policy["max_password_age"] = options.max_password_age
    return policy


def _active_directory(policy: PolicySettings) -> Profile:
    from ldapserver.directory.ad.profile import ActiveDirectory

    return ActiveDirectory(policy=policy)


def _schema(paths: Sequence[str], *, active_directory: bool) -> Schema | None:
    """The schema with the user's own files, or None where there are none and it is no other for it."""
    files: list[tuple[str, str]] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as file:
                files.append((path, file.read()))
        except OSError as error:
            raise UsageFault(f"argument --schema-file: {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageFault(f"argument --schema-file: {path}: not UTF-8") from None
    if not files and not active_directory:
        return None
    try:
        loaded = load_schema(files, active_directory=active_directory)
    except InvalidSchema as error:
        raise UsageFault(f"argument --schema-file: {error}") from None
    for remark in loaded.remarks:
        _log.warning("schema: %s", remark)
    return loaded.schema


def _dn(option: str, text: str) -> DN:
    try:
        dn = DN.parse(text)
    except InvalidDN as error:
        raise UsageFault(f"argument {option}: {text}: {error}") from None
    if not dn:
        raise UsageFault(f"argument {option}: must not be empty")
    return dn
