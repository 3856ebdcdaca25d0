"""The options of `ldapserver serve` by their groups, as argparse is told of them: names, words of help, types."""

import argparse
from typing import Any

from ldapserver.config import CHANNEL_BINDING, MEBIBYTE, MECHANISMS, Config
from ldapserver.directory.conformance import Conformance
from ldapserver.hosting.loops import LOOPS
from ldapserver.hosting.values import (
    address,
    certificate_maps,
    ciphers,
    listed,
    listen_url,
    maxbuf,
    mechanism,
    octets,
    positive,
    qop,
    seconds,
    store,
    workers,
    workstation,
    zero_or,
)
from ldapserver.usage import Once

DEFAULT_LISTEN = "ldap://127.0.0.1:3890"
DEFAULT_AUDIT = "audit.jsonl"
DEFAULT_SUFFIX = "dc=example,dc=com"
PROFILES = ("plain", "ad")  # what the directory is beside what the RFCs say
TLS_CLIENT = ("optional", "required")  # whether a client must have a certificate
EVENTS = ("credential", "logon")  # which Windows events are written
LOG_LEVELS = ("debug", "info", "warning", "error")


def add_groups(parser: argparse.ArgumentParser) -> None:
    """Add all of them."""
    for add_group in (
        _add_where,
        _add_tls,
        _add_directory,
        _add_authentication,
        _add_accounts,
        _add_audit,
        _add_limits,
    ):
        add_group(parser)


_MANY = {"action": "append"}
_FLAG = {"action": "store_true"}


def _add(group: argparse._ArgumentGroup, name: str, help: str, **rest: Any) -> None:
    group.add_argument(name, help=help, **{"action": Once, **rest})


def _add_where(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where")
    _add(group, "--config", "options from a TOML file", metavar="FILE")
    help = (
        "ldap://HOST:PORT, ldaps://HOST:PORT or ldapi://%%2Fpath, repeatable; port 0 is any free one "
        f"(default: {DEFAULT_LISTEN})"
    )
    _add(group, "--listen", help, metavar="URL", type=listen_url, **_MANY)
    help = "allow ldap:// on an address that others can reach, where passwords may come in the clear"
    _add(group, "--insecure-public", help, **_FLAG)
    help = (
        "processes that share the port and a directory that nobody writes, each with a log of its own, audit.1.jsonl "
        "for audit.jsonl and so on (default: 1)"
    )
    _add(group, "--workers", help, metavar="N", type=workers)
    _add(group, "--ready-file", "written when every listener accepts: one URL a line", metavar="FILE")
    help = (
        "the event loop that the server waits with: Twisted's own reactor, or uvloop, which takes less CPU and needs "
        "the extra, sasl-digest[speed] (default: auto, uvloop where it is installed)"
    )
    _add(group, "--loop", help, choices=LOOPS)
    _add(group, "--log-level", "diagnostics on standard error (default: info)", choices=LOG_LEVELS)


def _add_tls(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("TLS", "for ldaps:// and for StartTLS; SIGHUP reads the files again")
    help = "the server's certificate in PEM, and behind it those up to a CA that clients know"
    _add(group, "--tls-cert", help, metavar="FILE")
    _add(group, "--tls-key", "the key that belongs to it, in PEM, without a passphrase", metavar="FILE")
    help = "auto: a certificate for this server's names, of a CA made for this run, valid for 30 days"
    _add(group, "--tls", help, metavar="auto", choices=("auto",))
    _add(group, "--tls-ca-out", "write that CA in PEM, for clients to trust", metavar="FILE")
    help = (
        "ask clients for a certificate of one of these CAs, in PEM, for SASL EXTERNAL; any other ends the handshake"
    )
    _add(group, "--tls-ca", help, metavar="FILE")
    help = "whether a client without one is served (default: optional)"
    _add(group, "--tls-client", help, choices=TLS_CLIENT)
    help = (
        "how one leads to an account, in this order: subject (its entry's DN), upn, email (mail), certificate "
        f"(userCertificate) (default: {','.join(Config.certificate_maps)})"
    )
    _add(group, "--cert-map", help, metavar="LIST", type=certificate_maps)
    help = "refuse binds that come in the clear and bring no security layer (strongerAuthRequired)"
    _add(group, "--require-signing", help, **_FLAG)
    _add(group, "--no-layer-inside-tls", "offer only qop auth inside TLS, as a domain controller does", **_FLAG)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("directory")
    _add(group, "--ldif", "entries to load, repeatable", metavar="FILE", **_MANY)
    help = (
        "ad: as a domain controller has it, SIDs and GUIDs, memberOf, unicodePwd, ranges and all "
        "(docs/active-directory.md); default: plain, as the RFCs have it"
    )
    _add(group, "--profile", help, choices=PROFILES)
    help = (
        "how much of the schema entries keep: all, MUST and MAY too; what is known of values, in what is written "
        "(default); nothing"
    )
    _add(group, "--schema", help, choices=[each.value for each in Conformance])
    help = "definitions to add, repeatable: RFC 4512 lines, LDIF of cn=schema or cn=config, OpenLDAP's .schema"
    _add(group, "--schema-file", help, metavar="FILE", **_MANY)
    help = "where entries are kept: memory: (the only place in this version, and the default) forgets them at exit"
    _add(group, "--store", help, metavar="URL", type=store)
    help = (
        "write all entries there at exit and on SIGUSR1, with their passwords, readable by you alone; may be a file "
        "of --ldif too, which then need not be there yet"
    )
    _add(group, "--save", help, metavar="FILE.ldif")
    help = f"a naming context, repeatable (default: the roots of the LDIF, or {DEFAULT_SUFFIX})"
    _add(group, "--suffix", help, metavar="DN", **_MANY)
    _add(
        group,
        "--admin",
        "an administrator, repeatable: writes everything, sees which kinds of secret accounts hold",
        metavar="DN",
        **_MANY,
    )
    _add(group, "--anonymous-search", "let anonymous read entries, not only the root DSE and the subschema", **_FLAG)


def _add_authentication(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("authentication")
    help = "the realm to offer (default: from the suffix, contoso.com for dc=contoso,dc=com)"
    _add(group, "--realm", help, metavar="NAME")
    help = "the NetBIOS domain name, for DOMAIN\\user (default: the suffix's first label)"
    _add(group, "--netbios", help, metavar="NAME")
    help = (
        "a name of this server that digest-uri may hold, repeatable; '*' is any (in place of this machine's names, "
        "the default)"
    )
    _add(group, "--host", help, metavar="NAME", **_MANY)
    help = (
        f"a SASL mechanism to take, repeatable (default: {', '.join(MECHANISMS)}); EXTERNAL is for --tls-ca and "
        "ldapi://, PLAIN is taken inside TLS and by ldapi:// only"
    )
    _add(group, "--mechanism", help, metavar="NAME", type=mechanism, **_MANY)
    help = f"protections to offer, in this order (default: {listed(Config.qop)})"
    _add(group, "--qop", help, metavar="LIST", type=qop)
    help = f"ciphers for auth-conf; there are also des, rc4-56 and rc4-40 (default: {listed(Config.ciphers)})"
    _add(group, "--cipher", help, metavar="LIST", type=ciphers)
    _add(
        group,
        "--maxbuf",
        f"longest buffer that clients may send (default: {Config.maxbuf})",
        metavar="N",
        type=maxbuf,
    )
    help = (
        "verify inside TLS that a response is bound to this channel: where clients do so, or of all (default: never)"
    )
    _add(group, "--channel-binding", help, choices=CHANNEL_BINDING)
    help = (
        "let a client authenticate again in one round trip for so long (default: not at all); those of Cyrus SASL "
        "then keep to the qop of their first bind, whatever they are asked for"
    )
    _add(group, "--remember", help, metavar="TIME", type=seconds)
    _add(
        group, "--saslprep", "prepare passwords in the clear by SASLprep (RFC 4013) before digests use them", **_FLAG
    )
    _add(group, "--charset", "offer charset=utf-8, or none (default: utf-8)", choices=("utf-8", "none"))
    help = (
        "refuse binds in a domain controller's words: who knows the password is told of the account's state, and "
        "everybody of a lockout (default: one text, whatever was wrong)"
    )
    _add(group, "--ad-errors", help, **_FLAG)
    help = (
        "let a client ask why its last bind failed (ldp bind --explain), which tells all: refused unless every "
        "listener is loopback or ldapi://"
    )
    _add(group, "--explain", help, **_FLAG)
    help = f"the build number that ends those of --ad-errors, in hexadecimal (default: {Config.ad_build}, v4563)"
    _add(group, "--ad-build", help, metavar="N", type=positive)


def _add_accounts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "accounts", "with --profile ad the domain's entry says all of it but the last; what is typed is written there"
    )
    help = "wrong passwords that lock an account (default: 0, never)"
    _add(group, "--lockout-threshold", help, metavar="N", type=zero_or(positive))
    help = "how long a wrong password counts, if no other follows it (default: 30m)"
    _add(group, "--lockout-window", help, metavar="TIME", type=seconds)
    help = "how long an account is locked (default: 30m; 0 is until an administrator unlocks it)"
    _add(group, "--lockout-duration", help, metavar="TIME", type=zero_or(seconds))
    help = "how long a password may be used (default: 0, for ever)"
    _add(group, "--max-password-age", help, metavar="TIME", type=zero_or(seconds))
    help = "do not count a wrong password that was one of the account's last two; those are kept from now on"
    _add(group, "--spare-old-passwords", help, **_FLAG)


def _add_audit(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("audit")
    help = (
        "a file for JSON lines, xml:FILE for Windows' XML, - for standard output, or a syslog receiver: "
        "syslog:///PATH, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT?ca=FILE; repeatable "
        f"(default: {DEFAULT_AUDIT})"
    )
    _add(group, "--audit", help, metavar="TARGET", **_MANY)
    _add(group, "--audit-sync", "have each record on stable storage before its bind is answered", **_FLAG)
    _add(group, "--audit-best-effort", "answer binds even when their record could not be written", **_FLAG)
    help = (
        "begin a new file once it has so many octets, a number with K, M or G behind it; the old one gets the time "
        "behind its name (default: never, but by SIGHUP after it was renamed)"
    )
    _add(group, "--audit-rotate-size", help, metavar="SIZE", type=octets)
    help = "begin a new file with the first record of each such time, in UTC: 1d at midnight (default: never)"
    _add(group, "--audit-rotate-every", help, metavar="TIME", type=seconds)
    help = "what 4776 names: server (this server's NetBIOS name, default), client (its address), or a name"
    _add(group, "--workstation", help, metavar="server|client|NAME", type=workstation)
    help = (
        "credential: 4776 for every verdict, 4672 for administrators, 4740 when a wrong password locks an account "
        "(default); logon: beside them 4624, 4625 and 4634, for every bind and its end"
    )
    _add(group, "--events", help, choices=EVENTS)
    help = (
        "serve counts and times for Prometheus at http://HOST:PORT/metrics, a loopback address; port 0 is any free "
        "one; needs the extra, sasl-digest[metrics] (default: not at all)"
    )
    _add(group, "--metrics", help, metavar="HOST:PORT", type=address)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("limits")
    help = (
        "connections at once, of each worker where there are several; one more is told so and closed "
        f"(default: {Config.max_connections})"
    )
    _add(group, "--max-connections", help, metavar="N", type=positive)
    help = f"octets of one message of a bound client (default: {MEBIBYTE})"
    _add(group, "--max-message", help, metavar="N", type=positive)
    help = "entries that one search returns, all pages together; administrators have no limit (default: 0, no limit)"
    _add(group, "--size-limit", help, metavar="N", type=zero_or(positive))
    help = "how long one search may take; administrators have no limit (default: 1h; 0 is no limit)"
    _add(group, "--time-limit", help, metavar="TIME", type=zero_or(seconds))
    help = f"entries that one search may sort (default: {Config.max_sorted})"
    _add(group, "--sort-limit", help, metavar="N", type=positive)
    help = "close a connection that asks nothing for so long (default: 15m)"
    _add(group, "--idle-timeout", help, metavar="TIME", type=seconds)
    help = "close a new connection that sends no whole message for so long (default: 30s)"
    _add(group, "--handshake-timeout", help, metavar="TIME", type=seconds)
