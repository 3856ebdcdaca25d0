"""`ldapserver serve`: put a configuration to work, listen, and stop cleanly."""

import argparse
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ldapserver.audit.log import AuditLog
from ldapserver.audit.render import JSONRenderer
from ldapserver.audit.sinks import FileSink, Sink, StreamSink
from ldapserver.cli.ldif_file import records_of
from ldapserver.cli.options import DEFAULT_SUFFIX, UsageFault, has_tls, read_options
from ldapserver.cli.saving import Saving, prepare_to_save
from ldapserver.config import Config, InvalidConfig, netbios_name, own_names
from ldapserver.directory.conformance import Conformance
from ldapserver.directory.ldif import InvalidLDIF, Record, Report
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schema import InvalidSchema, Schema, load_schema
from ldapserver.service import Service
from ldapserver.url import InvalidURL, ListenURL, is_loopback
from ldapserver.wire.dn import DN, InvalidDN
from sasl_digest import UsageError
from sasl_digest.saslprep import prepare

if TYPE_CHECKING:
    from ldapserver.certificates import ClientAuthorities, ServerCertificate

T = TypeVar("T")

# Objects made and not dropped again between two looks for garbage: more than the slices of a few searches make. A
# full look goes through all that indexes, and searches under way, hold; in a large directory that is tens of
# milliseconds in which nobody is answered. It comes after a hundred times as many.
_COLLECT_AFTER = 20_000

_log = logging.getLogger("ldapserver")


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""
    try:
        options = read_options(arguments)
        logging.basicConfig(
            stream=sys.stderr, level=options.log_level.upper(), format="ldapserver: %(message)s", force=True
        )
        addresses = listening_addresses(options)
        prepare_to_save(options)
        directory = load(options)
        config = configure(options, directory, [address for _, address in addresses])
        certificate = _certificate(options, config)
        clients = authorities(options)
        service = _service(options, config, directory)
        stored = partial(directory.records, with_secrets=True)
        saving = None if options.save is None else Saving(options.save, stored)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    try:
        _raise_file_limit(config.max_connections)
        return _run(service, addresses, options, certificate, clients, saving)
    except UsageFault as fault:
        print(f"ldapserver serve: {fault}", file=sys.stderr)
        return 2
    finally:
        service.audit.close()


def _service(options: argparse.Namespace, config: Config, directory: MemoryDirectory) -> Service:
    sinks = _sinks(options, JSONRenderer(config.computer))
    return assemble(config, directory, AuditLog(sinks, best_effort=options.audit_best_effort, report=_log.error))


def assemble(config: Config, directory: MemoryDirectory, audit: AuditLog) -> Service:
    """The service of these settings. Raises UsageFault."""
    try:
        return Service.assemble(config, directory, audit)
    except UsageError as error:  # terms that no client could meet: a realm that fills the challenge
        raise UsageFault(f"argument --realm: {error}") from None


def load(
    options: argparse.Namespace, read: Callable[[str], Iterable[Record]] = records_of, report: Report | None = None
) -> MemoryDirectory:
    """The directory of these options; `read` gives the records of a file. Raises UsageFault.

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
    schema = _schema(options.schema_file)
    # A directory is millions of objects that all stay: collecting among them is time for nothing, now and later.
    gc.disable()
    try:
        directory = MemoryDirectory(
            ((path, read(path)) for path in options.ldif),
            suffixes=suffixes,
            netbios=options.netbios,
            realm=options.realm,
            saslprep=options.saslprep,
            schema=schema,
            conformance=Conformance(options.schema),
            report=report,
        )
    except InvalidLDIF as error:
        raise UsageFault(f"argument --ldif: {error}") from None
    finally:
        gc.enable()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    return directory


def configure(options: argparse.Namespace, directory: MemoryDirectory, addresses: Sequence[str]) -> Config:
    """The settings of a server of this directory that listens on these addresses. Raises UsageFault."""
    host, realm = socket.gethostname(), directory.realm
    # A machine that does not know its domain is taken to be in the one it serves.
    computer = host if "." in host or not realm else f"{host}.{realm}"
    own = (*own_names(), computer, *(address for address in addresses if address))
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
            layer_inside_tls=not options.no_layer_inside_tls,
            admins=tuple(options.admin),
            anonymous_search=options.anonymous_search,
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


def _schema(paths: Sequence[str]) -> Schema | None:
    """The schema with the user's own files, or None where there are none."""
    files: list[tuple[str, str]] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig") as file:
                files.append((path, file.read()))
        except OSError as error:
            raise UsageFault(f"argument --schema-file: {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageFault(f"argument --schema-file: {path}: not UTF-8") from None
    if not files:
        return None
    try:
        loaded = load_schema(files)
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


def listening_addresses(options: argparse.Namespace) -> list[tuple[ListenURL, str]]:
    """Each URL of --listen with its IP address. Raises UsageFault."""
    in_the_clear = options.insecure_public or (options.require_signing and has_tls(options))
    return [(url, _address(url, in_the_clear)) for url in options.listen]


def _address(url: ListenURL, in_the_clear: bool) -> str:
    """The IP address to listen on, empty for a Unix socket; `in_the_clear` is whether ldap:// may be public."""
    if url.path:
        return ""
    try:
        address = url.address()
    except InvalidURL as error:
        raise UsageFault(f"argument --listen: {error}") from None
    if not (url.tls or in_the_clear or is_loopback(address)):
        raise UsageFault(
            f"argument --listen: {url}: others can reach this address, and passwords may come in the clear; use "
            "ldaps://, or TLS with --require-signing, or say --insecure-public if that is meant"
        )
    return address


def _certificate(options: argparse.Namespace, config: Config) -> "ServerCertificate | None":
    """The certificate for TLS; None when there is to be no TLS."""
    if not has_tls(options):
        return None
    if options.tls is None:
        return read_certificate(options)
    from ldapserver.certificates import throw_away

    listening = [url.host for url in options.listen if not url.path]
    names = (*config.hosts, *listening, *own_names(), config.computer, "localhost", "127.0.0.1", "::1")
    certificate, ca = throw_away(names)
    if options.tls_ca_out is not None:
        try:
            _write_whole(options.tls_ca_out, ca.decode())
        except OSError as error:
            raise UsageFault(f"argument --tls-ca-out: {options.tls_ca_out}: {error.strerror}") from None
    return certificate


def read_certificate(options: argparse.Namespace) -> "ServerCertificate":
    """The certificate and the key of --tls-cert and --tls-key. Raises UsageFault."""
    from ldapserver.certificates import InvalidCertificate, ServerCertificate, read_chain, read_key

    option, path = "--tls-cert", options.tls_cert
    try:
        chain = read_chain(path)
        option, path = "--tls-key", options.tls_key
        return ServerCertificate(chain, read_key(path, chain[0]))
    except InvalidCertificate as error:
        raise UsageFault(f"argument {option}: {path}: {error}") from None
    except OSError as error:
        raise UsageFault(f"argument {option}: {path}: {error.strerror}") from None


def authorities(options: argparse.Namespace) -> "ClientAuthorities | None":
    """Who answers for clients; None when they are asked for no certificate."""
    if options.tls_ca is None:
        return None
    from ldapserver.certificates import ClientAuthorities, InvalidCertificate, read_authorities

    try:
        return ClientAuthorities(read_authorities(options.tls_ca), options.tls_client == "required")
    except InvalidCertificate as error:
        raise UsageFault(f"argument --tls-ca: {options.tls_ca}: {error}") from None
    except OSError as error:
        raise UsageFault(f"argument --tls-ca: {options.tls_ca}: {error.strerror}") from None


def _sinks(options: argparse.Namespace, renderer: JSONRenderer) -> list[Sink]:
    sinks: list[Sink] = []
    check_targets(options)
    for target in options.audit:
        if target == "-":
            sinks.append(StreamSink(sys.stdout.buffer.write, sys.stdout.buffer.flush, renderer))
            continue
        try:
            sink = FileSink(target, renderer, sync=options.audit_sync)
        except BlockingIOError:
            raise UsageFault(f"argument --audit: {target}: another process writes this log") from None
        except OSError as error:
            raise UsageFault(f"argument --audit: {target}: {error.strerror}") from None
        if sink.torn:
            _log.warning(
                "audit: %s: its last line was cut short, as by a crash; it stays, and records follow", target
            )
        sinks.append(sink)
    return sinks


def check_targets(options: argparse.Namespace) -> None:
    """Raise UsageFault for a target of --audit that is of no known kind."""
    for target in options.audit:
        scheme = target.partition(":")[0]
        if scheme in ("xml", "syslog", "syslog+udp", "syslog+tcp", "syslog+tls") and ":" in target:
            raise UsageFault(f"argument --audit: {target}: {scheme} is not supported in this version")


def _raise_file_limit(connections: int) -> None:
    """Let the process open as many files as it may have connections."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 64
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))


def _run(
    service: Service,
    addresses: Sequence[tuple[ListenURL, str]],
    options: argparse.Namespace,
    certificate: "ServerCertificate | None",
    clients: "ClientAuthorities | None",
    saving: Saving | None,
) -> int:
    from twisted.internet import reactor as installed
    from twisted.internet.defer import DeferredList
    from twisted.python import log

    from ldapserver.protocol import LDAPFactory, LDAPSFactory

    ready_file: str | None = options.ready_file
    reactor = cast(Any, installed)
    log.PythonLoggingObserver("ldapserver.twisted").start()  # type: ignore[no-untyped-call]  # Twisted's own
    logging.getLogger("ldapserver.twisted").setLevel(logging.WARNING)
    if certificate is None:
        factory = LDAPFactory(service, reactor)
    else:
        factory = used(options, lambda: LDAPFactory(service, reactor, certificate, clients))
    opened = _listen(reactor, addresses, factory, LDAPSFactory(factory))
    urls = [str(url) for url, _ in opened]
    status = 0

    def announce() -> None:
        """Say that we listen: who is told so may send a signal at once, and the reactor has its handlers by now."""
        nonlocal status
        if ready_file is not None:
            try:
                _write_whole(ready_file, "".join(f"{listening}\n" for listening in urls))
            except OSError as refused:
                print(f"ldapserver serve: argument --ready-file: {ready_file}: {refused.strerror}", file=sys.stderr)
                status = 2
                reactor.stop()
                return
        for listening in urls:
            _log.info("listening on %s", listening)
        if saving is None:
            _log.info("changes end with this process: there is no --save")

    def stop() -> object:
        """End what is under way, and let everybody be told."""
        if status == 0:
            _log.info("stopping")
        closed = DeferredList([port.stopListening() for _, port in opened])
        return closed.addCallback(lambda _: factory.farewell())

    def renew() -> None:
        """Open the logs again, and read the certificates again."""
        _reopen(service.audit)
        if certificate is not None and (options.tls_cert is not None or options.tls_ca is not None):
            _renew(options, certificate, factory.use_certificate)

    def save() -> None:
        """Save while we serve."""
        if saving is None:
            _log.warning("SIGUSR1: there is no --save")
        else:
            saving.begin(reactor)

    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(renew))
    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(save))
    reactor.callWhenRunning(announce)
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.run()
    if ready_file is not None and status == 0:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ready_file)
    if saving is not None and status == 0 and not saving.at_exit():
        return 1
    return status


def _listen(
    reactor: Any, addresses: Sequence[tuple[ListenURL, str]], factory: object, secure: object
) -> list[tuple[ListenURL, Any]]:
    """A listener for each URL, which says its port now. Raises UsageFault; then none is left open."""
    from twisted.internet import error

    opened: list[tuple[ListenURL, Any]] = []
    for url, address in addresses:
        try:
            port = (
                reactor.listenUNIX(url.path, factory, 511, 0o600, True)
                if url.path
                else reactor.listenTCP(url.port, secure if url.tls else factory, 511, address)
            )
        except (error.CannotListenError, OSError) as refused:
            # Sockets close with the process; the file of a Unix socket would stay.
            for _, other in opened:
                other.connectionLost(None)
            raise UsageFault(
                f"argument --listen: {url}: {_reason(getattr(refused, 'socketError', refused))}"
            ) from None
        opened.append((url if url.path else replace(url, port=port.getHost().port), port))
    return opened


def _reason(cause: object) -> object:
    """Why a listener could not be made, in the system's words."""
    return getattr(cause, "strerror", None) or cause


def _reopen(audit: AuditLog) -> None:
    for sink in audit.sinks:
        if isinstance(sink, FileSink):
            try:
                sink.reopen()
            except OSError as error:
                _log.error("audit: %s: cannot be opened again: %s", sink.path, error.strerror)
            else:
                _log.info("audit: %s: opened again", sink.path)


def used(options: argparse.Namespace, use: Callable[[], T]) -> T:
    """What becomes of a certificate, which OpenSSL may still have something against: a key too short, say."""
    from ldapserver.certificates import InvalidCertificate

    try:
        return use()
    except InvalidCertificate as error:
        raise UsageFault(f"argument --tls-cert: {options.tls_cert}: {error}") from None


def _renew(
    options: argparse.Namespace,
    made: "ServerCertificate",
    use: Callable[["ServerCertificate", "ClientAuthorities | None"], object],
) -> None:
    """Read certificate, key and CAs again, all or none; one `made` for this run stays as it is."""
    try:
        certificate = made if options.tls_cert is None else read_certificate(options)
        clients = authorities(options)
        used(options, lambda: use(certificate, clients))
    except UsageFault as fault:
        _log.error("%s; the old certificate stays", fault)
    else:
        for path in filter(None, (options.tls_cert, options.tls_ca)):
            _log.info("tls: %s: read again", path)


def _write_whole(path: str, text: str) -> None:
    """Write a file so that who waits for it never sees half of it."""
    unfinished = f"{path}.{os.getpid()}"
    with open(unfinished, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(unfinished, path)
