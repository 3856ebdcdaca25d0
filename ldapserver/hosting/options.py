"""The options of `ldapserver serve`: what may be typed, or written into a TOML file under the same names."""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ldapserver.config import Config
from ldapserver.directory.conformance import Conformance
from ldapserver.hosting.loops import LOOPS, check_loop
from ldapserver.hosting.option_groups import DEFAULT_AUDIT, DEFAULT_LISTEN, EVENTS, PROFILES, add_groups
from ldapserver.hosting.targets import STANDARD_OUTPUT
from ldapserver.url import ListenURL
from ldapserver.usage import HelpFormatter, Parser, UsageFault
from sasl_digest import QOP

_DESCRIPTION = """\
Answer LDAP binds (SASL DIGEST-MD5, EXTERNAL and PLAIN, simple, anonymous) and searches; write Windows' event 4776
for every verdict about credentials before it is answered. DIGEST-MD5 is Historic (RFC 6331): for tests, and for what
still needs it.
"""
_EPILOG = """\
example:
  ldapserver serve --ldif examples/contoso.ldif --netbios CONTOSO --audit audit.jsonl

TIME is a number of seconds, or a number with s, m, h or d behind it. A TOML file has the same names without the
dashes, and lists where an option may be repeated:
  ldif = ["examples/contoso.ldif"]
  idle-timeout = "15m"
What is typed takes the place of what the file says.
"""


def read_options(arguments: Sequence[str], parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """All options: what was typed, else what --config says, else the defaults. Raises UsageFault.

    `parser` is that of a command that has these options and some of its own, made by `options_parser`.
    """
    parser = parser or serve_parser()
    typed = vars(parser.parse_args(arguments))
    options: dict[str, Any] = {}
    if (path := typed.get("config")) is not None:
        options |= vars(_from_file(parser, path))
    return _checked(options | typed)


def _checked(settings: Mapping[str, Any]) -> argparse.Namespace:
    """The options of these settings, and the defaults for the others. Raises UsageFault for what does not fit."""
    given = {**_DEFAULTS, **settings}
    read = argparse.Namespace(**given)
    if given["cipher"] is not _DEFAULTS["cipher"] and QOP.AUTH_CONF not in given["qop"]:
        raise UsageFault("argument --cipher: has no place without auth-conf in --qop")
    check_loop(read.loop)
    _check_tls(read)
    if read.ad_build != Config.ad_build and not read.ad_errors:
        raise UsageFault(f"argument --ad-build: {read.ad_build}: has no meaning without --ad-errors")
    if given["mechanism"] is not _DEFAULTS["mechanism"]:
        _check_mechanisms(read)
    if read.workers > 1:
        _check_workers(read)
    return read


def _check_tls(options: argparse.Namespace) -> None:
    """The options about TLS are of no use one without another."""
    for given, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if getattr(options, given) is not None:
            name, wanted = f"--{given.replace('_', '-')}", f"--{other.replace('_', '-')}"
            if options.tls is not None:
                raise UsageFault(f"argument {name}: {getattr(options, given)}: not together with --tls auto")
            if getattr(options, other) is None:
                raise UsageFault(f"argument {name}: {getattr(options, given)}: needs {wanted} too")
    if options.tls_ca_out is not None and options.tls is None:
        raise UsageFault(f"argument --tls-ca-out: {options.tls_ca_out}: there is no such CA without --tls auto")
    if options.channel_binding != "never" and not has_tls(options):
        raise UsageFault(f"argument --channel-binding: {options.channel_binding}: has no meaning without TLS")
    if options.no_layer_inside_tls and not has_tls(options):
        raise UsageFault("argument --no-layer-inside-tls: has no meaning without TLS")
    if options.no_layer_inside_tls and QOP.AUTH not in options.qop:
        raise UsageFault("argument --no-layer-inside-tls: leaves nothing to offer: --qop has no auth")
    if options.require_signing and not has_tls(options) and set(options.qop) == {QOP.AUTH}:
        raise UsageFault("argument --require-signing: nobody can bind: there is no TLS, and --qop has only auth")
    if options.tls_ca is not None and not has_tls(options):
        raise UsageFault(f"argument --tls-ca: {options.tls_ca}: has no meaning without TLS")
    for name in ("tls_client", "cert_map"):
        if getattr(options, name) is not None and options.tls_ca is None:
            raise UsageFault(f"argument --{name.replace('_', '-')}: has no meaning without --tls-ca")
    for url in options.listen:
        if url.tls and not has_tls(options):
            raise UsageFault(f"argument --listen: {url}: needs --tls-cert and --tls-key, or --tls auto")


def _check_mechanisms(options: argparse.Namespace) -> None:
    """A mechanism that was asked for and that nobody could ever use is a mistake."""
    by_socket = any(url.path for url in options.listen)
    if "EXTERNAL" in options.mechanism and options.tls_ca is None and not by_socket:
        raise UsageFault("argument --mechanism: EXTERNAL: needs --tls-ca, or a listener at ldapi://")
    if "PLAIN" in options.mechanism and not has_tls(options) and not by_socket:
        raise UsageFault("argument --mechanism: PLAIN: needs TLS, or a listener at ldapi://")


def _check_workers(options: argparse.Namespace) -> None:
    """Several processes share what was loaded, and nothing else: what one counts or writes, no other knows."""
    several = f"argument --workers: {options.workers}: not with"
    written = [
        option
        for option, given in (
            ("--profile ad", options.profile == "ad"),
            ("--lockout-threshold", bool(options.lockout_threshold)),
            ("--spare-old-passwords", options.spare_old_passwords),
            ("--save", options.save is not None),
        )
        if given
    ]
    if written:
        raise UsageFault(
            f"{several} {', '.join(written)}: the directory would be written, and no worker sees what another writes"
        )
    if options.metrics is not None:
        raise UsageFault(
            f"{several} --metrics: each worker would count its own binds, and one port would tell of one"
        )
    if STANDARD_OUTPUT in options.audit:
        raise UsageFault(f"{several} --audit {STANDARD_OUTPUT}: each worker numbers the events of a log of its own")


def has_tls(options: argparse.Namespace) -> bool:
    """Whether there is to be a certificate."""
    return options.tls is not None or options.tls_cert is not None


_DEFAULTS = {
    "config": None,
    "listen": [ListenURL.parse(DEFAULT_LISTEN)],
    "loop": LOOPS[0],
    "suffix": [],
    "ldif": [],
    "profile": PROFILES[0],
    "schema": Conformance.LENIENT.value,
    "schema_file": [],
    "store": "memory:",
    "save": None,
    "realm": None,
    "netbios": None,
    "host": [],
    "mechanism": list(Config.mechanisms),
    "charset": "utf-8",
    "qop": Config.qop,
    "cipher": Config.ciphers,
    "maxbuf": Config.maxbuf,
    "channel_binding": Config.channel_binding,
    "remember": Config.remember,
    "saslprep": False,
    "explain": False,
    "audit": [DEFAULT_AUDIT],
    "audit_sync": False,
    "audit_best_effort": False,
    "audit_rotate_size": None,
    "audit_rotate_every": None,
    "workstation": "server",
    "events": EVENTS[0],
    "metrics": None,
    "admin": [],
    "lockout_threshold": None,  # as of the domain's entry with --profile ad, else as `Policy` has it; so the others
    "lockout_window": None,
    "lockout_duration": None,
    "max_password_age": None,
    "spare_old_passwords": False,
    "anonymous_search": False,
    "insecure_public": False,
    "tls": None,
    "tls_cert": None,
    "tls_key": None,
    "tls_ca_out": None,
    "tls_ca": None,
    "tls_client": None,
    "cert_map": None,
    "ad_errors": False,
    "ad_build": Config.ad_build,
    "require_signing": False,
    "no_layer_inside_tls": False,
    "max_connections": Config.max_connections,
    "max_message": Config.max_message,
    "size_limit": Config.size_limit,
    "time_limit": Config.time_limit,
    "sort_limit": Config.max_sorted,
    "idle_timeout": Config.idle_timeout,
    "handshake_timeout": Config.handshake_timeout,
    "workers": 1,
    "ready_file": None,
    "log_level": "info",
}


def options_parser(prog: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser of these options, for the command `prog`; what it refuses it raises as UsageFault."""
    parser = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    add_groups(parser)
    return parser


def serve_parser() -> argparse.ArgumentParser:
    """The parser of `ldapserver serve`."""
    return options_parser("ldapserver serve", _DESCRIPTION, _EPILOG)


def _from_file(parser: argparse.ArgumentParser, path: str) -> argparse.Namespace:
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise UsageFault(f"argument --config: {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageFault(f"argument --config: {path}: {error}") from None
    return _typed(parser, table, f"argument --config: {path}: ")


def settings_of(settings: Mapping[str, object], parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """All options: what `settings` says under their names as Python spells them (`tls_cert`), else the defaults.

    Values are as in a TOML file. Raises UsageFault.
    """
    parser = parser or serve_parser()
    table = {name.replace("_", "-"): value for name, value in settings.items()}
    return _checked(vars(_typed(parser, table, "")))


def _typed(parser: argparse.ArgumentParser, table: Mapping[str, object], where: str) -> argparse.Namespace:
    """What a table of settings says; `where` it stands begins the text of each fault."""
    typed: list[str] = []
    for name, value in table.items():
        default = _DEFAULTS.get(name.replace("-", "_"), _DEFAULTS)
        if name == "config" or "_" in name or default is _DEFAULTS:
            raise UsageFault(f"{where}{name}: no such option")
        if isinstance(value, bool):
            if not isinstance(default, bool):
                raise UsageFault(f"{where}{name}: must not be true or false")
            typed += [f"--{name}"] if value else []
            continue
        if isinstance(default, bool):
            raise UsageFault(f"{where}{name}: must be true or false")
        values = list(value) if isinstance(value, list | tuple) else [value]
        if name in ("qop", "cipher", "cert-map") and all(isinstance(one, str) for one in values):
            values = [",".join(map(str, values))]
        if any(not isinstance(one, str | int | float) or isinstance(one, bool) for one in values):
            raise UsageFault(f"{where}{name}: must be text, a number, or a list of them")
        typed += [f"--{name}={one}" for one in values]
    try:
        return parser.parse_args(typed)
    except UsageFault as fault:
        raise UsageFault(f"{where}{fault}") from None
