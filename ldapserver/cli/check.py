"""`ldapserver check`: what `serve` would make of a configuration and of LDIF files, and all that is wrong there."""

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ldapserver.audit.log import AuditLog
from ldapserver.cli.exit_status import USAGE, failed
from ldapserver.config import Config
from ldapserver.directory.ldif import InvalidLDIF, Record
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schemes import StoredHA1
from ldapserver.hosting.assembly import assemble, configure, load
from ldapserver.hosting.ldif_file import records_of
from ldapserver.hosting.listening import listening_addresses
from ldapserver.hosting.options import options_parser, read_options
from ldapserver.hosting.saving import prepare_to_save
from ldapserver.hosting.scraping import metrics_address
from ldapserver.hosting.targets import check_files, check_targets
from ldapserver.hosting.tls import authorities, read_certificate, used
from ldapserver.hosting.worker import all_own_options, check_shared_targets
from ldapserver.printable import printable
from ldapserver.protocol import LDAPFactory
from ldapserver.usage import UsageFault
from ldapserver.wire.dn import DN

ERROR = "error"  # `serve` would not start
WARNING = "warning"  # it would, and somebody may be surprised

PROBLEMS = 1

_DESCRIPTION = """\
Say what is wrong with a configuration and with LDIF files, without serving: all of it, each with its file and line.
Nothing is written, and no address is listened on. The options are those of `ldapserver serve`.
"""
_EPILOG = """\
example:
  ldapserver check examples/contoso.ldif
  ldapserver check --config server.toml --json

--json: one object: "findings", each with "severity", "message", "file" and "line", and counts of what is there.

A log or an address that another server uses now is no error: it may be the one that is to be started again.

exit status: 0 when a server would start, whatever there is to warn of; 1 when it would not; 2 wrong usage.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or strange, and where, if it stands in a file."""

    severity: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.file is None else f"{self.file}:{self.line}: "
        return printable(f"{place}{self.severity}: {self.message}")


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is, and what of it can bind how."""

    entries: int = 0
    accounts: int = 0
    digest_md5: int = 0  # accounts with a secret that DIGEST-MD5 can use
    simple_only: int = 0
    no_password: int = 0
    schemes: Mapping[str, int] = field(default_factory=dict)  # how many passwords are stored in each form

    def __str__(self) -> str:
        forms = ", ".join(f"{count:,} {scheme}" for scheme, count in sorted(self.schemes.items()))
        text = f"{_counted(self.entries, 'entry', 'entries')}, {_counted(self.accounts, 'account', 'accounts')}"
        if self.accounts:
            text += f": {self.digest_md5:,} for DIGEST-MD5, {self.simple_only:,} for simple binds only, "
            text += f"{self.no_password:,} without a password"
        return f"{text}; stored passwords: {forms}" if forms else text


def _parser() -> argparse.ArgumentParser:
    parser = options_parser("ldapserver check", _DESCRIPTION, _EPILOG)
    group = parser.add_argument_group("check")
    group.add_argument("files", metavar="FILE.ldif", nargs="*", help="an LDIF file, as with --ldif")
    group.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Check, and print what was found; the exit status."""
    parser = _parser()
    try:
        typed = parser.parse_args(arguments)
    except UsageFault as fault:
        return failed("ldapserver check", USAGE, str(fault))
    checked = _Check()
    try:
        options = read_options(arguments, parser)
    except UsageFault as fault:
        checked.tell(fault)
    else:
        options.ldif = [*options.ldif, *getattr(options, "files", ())]
        checked.check(options)
    if getattr(typed, "json", False):
        found = {"findings": [asdict(each) for each in checked.findings], **asdict(checked.counts)}
        print(json.dumps(found))
    else:
        for finding in checked.findings:
            print(finding)
        print(checked.counts)
        print(checked.summary())
    return PROBLEMS if any(finding.severity == ERROR for finding in checked.findings) else 0


class _Check:
    """One run: what it has found so far, and where the entries stand."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.counts = Counts()
        self._files: list[str] = []
        self._places: dict[DN, tuple[str, int]] = {}

    def tell(self, fault: UsageFault) -> None:
        """Something about the options is wrong."""
        self.findings.append(Finding(ERROR, str(fault)))

    def check(self, options: argparse.Namespace) -> None:
        """Go the way that `serve` goes, short of opening and listening, and on where it would end."""
        self._files = list(options.ldif)
        self._each(lambda: prepare_to_save(options), lambda: self._audit(options), lambda: metrics_address(options))
        addresses: list[str] = []
        self._each(lambda: addresses.extend(address for _, address in listening_addresses(options)))
        try:
            directory = load(options, self._records, self._report)
        except UsageFault as fault:
            self.tell(fault)
            return
        self.counts = _count(directory)
        try:
            config = configure(options, directory, addresses)
            service = assemble(config, directory, AuditLog([], report=print))
            clients = authorities(options)
            if options.tls_cert is not None:
                certificate = read_certificate(options)
                used(options, lambda: LDAPFactory(service, tls=certificate, clients=clients))
        except UsageFault as fault:
            self.tell(fault)
        else:
            for warn in WARNINGS:
                self.findings += [self._warning(*each) for each in warn(directory, config)]
        order = {file: at for at, file in enumerate(self._files)}
        self.findings.sort(key=lambda each: (order.get(each.file or "", -1), each.line or 0))

    def summary(self) -> str:
        """How much is wrong."""
        found = Counter(finding.severity for finding in self.findings)
        return ", ".join(_counted(found[kind], kind, f"{kind}s") for kind in (ERROR, WARNING))

    def _each(self, *steps: Callable[[], object]) -> None:
        for step in steps:
            try:
                step()
            except UsageFault as fault:
                self.tell(fault)

    def _audit(self, options: argparse.Namespace) -> None:
        check_targets(options)
        check_shared_targets(options)
        # That may be the very server that all this is checked for.
        for each in all_own_options(options):
            self.findings += [Finding(WARNING, held) for held in check_files(each)]

    def _records(self, path: str) -> Iterator[Record]:
        try:
            for record in records_of(path, report=self._report):
                self._places.setdefault(record.dn, (path, record.line))
                yield record
        except UsageFault as fault:
            self.tell(fault)

    def _report(self, error: InvalidLDIF) -> None:
        """`FILE:LINE: what is wrong`, as all that is wrong in LDIF."""
        for file in self._files:
            if (found := re.match(re.escape(file) + r":(\d+): ", str(error))) is not None:
                self.findings.append(Finding(ERROR, str(error)[found.end() :], file, int(found[1])))
                return
        self.findings.append(Finding(ERROR, str(error)))

    def _warning(self, message: str, dn: DN | None) -> Finding:
        return Finding(WARNING, message, *(self._places.get(dn, ()) if dn is not None else ()))


def _counted(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _count(directory: MemoryDirectory) -> Counts:
    accounts = list(directory.accounts())
    return Counts(
        entries=sum(1 for _ in directory.records()),
        accounts=len(accounts),
        digest_md5=sum(account.credential is not None for account in accounts),
        simple_only=sum(account.credential is None and bool(account.passwords) for account in accounts),
        no_password=sum(not account.passwords for account in accounts),
        schemes=dict(Counter(password.scheme for account in accounts for password in account.passwords)),
    )


# What may surprise: each gives what there is to say, and the entry that it is about.
Warnings = Iterator[tuple[str, DN | None]]


def _ambiguous_names(directory: MemoryDirectory, config: Config) -> Warnings:
    for name, dns in directory.ambiguous_names():
        first, *others = dns
        for dn in others:
            yield f"{dn} answers to {name!r}, and so does {first}: nobody can bind by that name", dn


def _other_realms(directory: MemoryDirectory, config: Config) -> Warnings:
    """An HA1 is of one realm, and a client that names one that is not served is refused.  RFC 2831 section 2.1.2"""
    served = {each.lower() for each in (config.realm, config.netbios, "Digest", "")}
    for account in directory.accounts():
        for password in account.passwords:
            if isinstance(password, StoredHA1) and password.realm.lower() not in served:
                yield (
                    f"{account.dn}: {{HA1}} is of the realm {password.realm!r}, and this server's is not",
                    account.dn,
                )


def _absent_admins(directory: MemoryDirectory, config: Config) -> Warnings:
    present = {account.dn for account in directory.accounts()}
    for admin in config.admins:
        if DN.parse(admin) not in present:
            yield f"argument --admin: {admin}: no account has this name", None


WARNINGS: tuple[Callable[[MemoryDirectory, Config], Warnings], ...] = (
    _ambiguous_names,
    _other_realms,
    _absent_admins,
)
