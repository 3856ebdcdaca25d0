"""What all connections of one server share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ldapserver.access import Identity
from ldapserver.audit.log import AuditLog
from ldapserver.clock import Clock
from ldapserver.config import Config
from ldapserver.directory.account import Account
from ldapserver.directory.answers import Answers
from ldapserver.directory.directory import Directory
from ldapserver.logons import Logons, logon_ids
from ldapserver.lookups import Lookups
from ldapserver.process import Process
from ldapserver.refusals import Refusals, refusals
from ldapserver.sasl.digest_md5 import DigestMD5
from ldapserver.sasl.external import External
from ldapserver.sasl.mechanism import Connection, Mechanism
from ldapserver.sasl.plain import Plain
from ldapserver.wire.dn import DN
from sasl_digest import QOP, DigestServer, NonceBook
from sasl_digest.nonces import Nonces

if TYPE_CHECKING:
    from ldapserver.explaining import Explainer
    from ldapserver.faults.plan import FaultPlan
    from ldapserver.metrics import Metrics
    from ldapserver.watching import Watcher

BUFFER_OVERSHOOT = 64  # octets: a message of the greatest length, wrapped by a client that counts only its payload


class Peer(NamedTuple):
    """The other end of a connection; without an address (a Unix socket) `ip` and `port` are None.

    `local` is whether it is such a socket; then `process` is who is there, where the system says so.
    """

    # A tuple because every connection makes one: a frozen dataclass takes four times as long to make.
    connection: int
    ip: str | None
    port: int | None
    local: bool = False
    process: Process | None = None


NO_PEER = Peer(0, None, None)


@dataclass(frozen=True, slots=True)
class Service:
    """A configuration put to work.

    `mechanisms` is what a bind may name, and `offered` what of it the root DSE lists; `workstation` is what event
    4776 names, or None for the client's address. `start_tls` is whether clients may begin TLS on a connection.
    `refusals` are the answers to binds that fail. `metrics` counts, where that is asked for,
    `watcher` looks on, and `faults` is what is to go wrong. `explainer` keeps what failed, to be asked why.
    """

    config: Config
    directory: Directory
    audit: AuditLog
    mechanisms: Mapping[str, Mechanism]
    workstation: str | None
    admins: frozenset[object]
    refusals: Refusals = field(repr=False)
    logons: Logons  # makes the events beside 4776
    answers: Answers = field(repr=False)  # the directory's, to binds
    start_tls: bool = False
    metrics: "Metrics | None" = None
    watcher: "Watcher | None" = field(default=None, repr=False)
    faults: "FaultPlan | None" = field(default=None, repr=False)
    explainer: "Explainer | None" = field(default=None, repr=False)
    lookups: Lookups = field(default_factory=Lookups, repr=False, compare=False)

    @classmethod
    def assemble(
        cls,
        config: Config,
        directory: Directory,
        audit: AuditLog,
        nonces: Nonces | None = None,
        ids: Iterator[int] | None = None,
        faults: "FaultPlan | None" = None,
    ) -> "Service":
        """The service that `config` describes, over this directory and this audit; `ids` are those of logons.

        `nonces` that are given come with a clock of their own, for which there is `directory.clock.seconds`.
        """
        if nonces is None:
            nonces = _nonces(config, directory.clock)
        if faults is not None:
            nonces = faults.serve(directory, nonces)
        terms = partial(
            DigestServer,
            realms=(config.realm,) if config.realm else (),
            # Active Directory offers the DNS name and takes all of these.  [MS-SAMR] 3.1.1.8.11.3.1, the 29 forms
            other_realms=(config.netbios, "Digest", ""),
            service="ldap",
            hosts=None if "*" in config.hosts else config.hosts,
            utf8=config.utf8,
            ciphers=config.ciphers,
            maxbuf=config.maxbuf,
            buffer_limit=config.max_message + BUFFER_OVERSHOOT,
            nonces=nonces,
        )
        digest = DigestMD5(
            terms(qop=config.qop),
            directory,
            terms(
                qop=config.qop if config.layer_inside_tls else (QOP.AUTH,),
                binding_required=config.channel_binding == "always",
            ),
            require_signing=config.require_signing,
            bind_channel=config.channel_binding != "never",
        )
        known: dict[str, Mechanism] = {
            "DIGEST-MD5": digest,
            "EXTERNAL": External(directory, config.certificate_maps),
            "PLAIN": Plain(directory, saslprep=config.saslprep),
        }
        return cls(
            config=config,
            directory=directory,
            audit=audit,
            mechanisms={name: known[name] for name in config.mechanisms},
            workstation=None if config.workstation == "client" else config.workstation,
            admins=frozenset(DN.parse(dn).key for dn in config.admins),
            refusals=refusals(ad_errors=config.ad_errors, build=config.ad_build),
            logons=Logons(config, directory, ids or logon_ids(directory.clock.ns() // 1000)),
            answers=Answers(directory),
            faults=faults,
            explainer=_explainer() if config.explain else None,
        )

    @property
    def clock(self) -> Clock:
        """The directory's, so that there is one: it is the time of records, nonces and logons too."""
        return self.directory.clock

    def offered(self, connection: Connection) -> tuple[str, ...]:
        """The mechanisms that are of use on this connection, as it now is."""
        return tuple(name for name, mechanism in self.mechanisms.items() if mechanism.offered(connection))

    def identity(self, account: Account) -> Identity:
        """Who a connection becomes when it has bound as `account`."""
        dn = account.dn
        return Identity(dn, account.name, bool(self.admins) and dn.key in self.admins)


def _explainer() -> "Explainer":
    # Loaded for who asks for it only.
    from ldapserver.explaining import Explainer

    return Explainer()


def _nonces(config: Config, clock: Clock) -> NonceBook:
    # Windows' form says that the server knows of channel bindings.
    return NonceBook(
        identity=f"ldap/{config.computer}",
        remembered_for=config.remember,
        upgraded=config.channel_binding != "never",
        clock=clock.seconds,
    )
