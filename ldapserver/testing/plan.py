"""What a server under test is to be, from keywords: options of `ldapserver serve`, and what tests have beside them.

All that can be wrong with settings is found here, before there is anything to stop. A plan pickles.
"""

import argparse
import difflib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, NoReturn
from urllib.parse import quote

from ldapserver.config import own_names
from ldapserver.directory.ldif import Record, read_ldif
from ldapserver.hosting.options import has_tls, settings_of
from ldapserver.hosting.targets import check_targets
from ldapserver.testing.identity import Authority, Identity, Trusted, identity_of, local_identity
from ldapserver.usage import UsageFault

# What of `serve` has no sense here, and what does the same.
_NOT_HERE = {
    "loop": "it runs on a reactor of its own",
    "log_level": "the logging of the program is its own",
    "metrics": "what hands them out runs in the reactor of twisted.internet only",
    "ready_file": "a server is ready once it is entered",
    "save": "server.snapshot() and server.restore() keep and bring back",
    "store": "there is only memory",
    "workers": "a server under test is one process, and a test sees all that it does",
}
# What other servers for tests have for it.
_OTHERWISE_CALLED = {
    "address": "listen",
    "base_dn": "suffix",
    "port": "listen='ldap://127.0.0.1:PORT'",
    "user": "users",
}
_TEXT = "<text {}>"  # the name of LDIF that is given as text, for errors


@dataclass(frozen=True)
class Plan:
    """The settings of a server, read and found right; `texts` are LDIF by the names that the options have for it."""

    options: argparse.Namespace
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    identity: Identity | None = None

    def records(self, name: str) -> Iterator[Record]:
        """The records of a file or text of the options' `ldif`. Raises InvalidLDIF and UsageFault."""
        if name in self.texts:
            yield from read_ldif(io.StringIO(self.texts[name], newline="\n"), name)
            return
        try:
            with open(name, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                yield from read_ldif(file, name)
        except OSError as error:
            raise UsageFault(f"argument --ldif: {name}: {error.strerror}") from None


def plan(settings: Mapping[str, object]) -> Plan:
    """The plan that these settings are. Raises ValueError, which names the setting and the rule."""
    with in_keywords():
        for name in settings:
            if name.replace("-", "_") in _NOT_HERE:
                raise UsageFault(f"{name}: not in a test: {_NOT_HERE[name.replace('-', '_')]}")
        given = {name: _plain(value) for name, value in settings.items()}
        authority = None
        if isinstance(given.get("tls"), bool):
            given["tls"] = "auto" if given["tls"] else None
        elif "tls" in given and not isinstance(given["tls"], str | None):
            authority, given["tls"] = _authority(given["tls"]), "auto"
        clients = given.get("tls_ca")
        if isinstance(clients, Trusted):
            given["tls_ca"] = os.fspath(clients.path)
        given = {name: value for name, value in given.items() if value is not None}
        texts: dict[str, str] = {}
        if "ldif" in given:
            given["ldif"] = list(_named(settings["ldif"], texts))
        listen = _listen(settings.get("listen"), tls=bool({"tls", "tls_cert"} & given.keys()))
        options = settings_of({**given, "listen": listen})
        if "audit" not in given:
            options.audit = []  # where nobody asked for one, no file is made
        check_targets(options)
        identity = None
        if has_tls(options):
            identity = identity_of(options, authority or local_identity, names_of(options))
        return Plan(options, texts, identity)


@cache
def machine_names() -> Sequence[str]:
    """What this machine is called, asked once: where a name server does not answer that takes seconds."""
    return (*own_names(), "127.0.0.1", "::1")


def names_of(options: argparse.Namespace) -> tuple[str, ...]:
    """The names that clients may know a server of these options by."""
    listening = [url.host for url in options.listen if not url.path]
    return tuple(dict.fromkeys((*options.host, *listening, *machine_names())))


def _plain(value: object) -> object:
    """A setting as a TOML file would have it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _authority(given: Any) -> Callable[[Iterable[str]], Identity]:
    if not isinstance(given, Authority):
        raise UsageFault("tls: must be True, or a CA with `pem` and `issue(names)`")
    return lambda names: Identity(given.issue(tuple(names)).server, given.pem)


def _named(given: object, texts: dict[str, str]) -> Iterator[str]:
    """The names of what is given as LDIF: paths, and text, which has lines and is kept in `texts`."""
    for each in given if isinstance(given, list | tuple) else [given]:
        if isinstance(each, os.PathLike):
            yield os.fspath(each)
        elif not isinstance(each, str):
            raise UsageFault("ldif: must be a path, or the text itself, or a list of them")
        elif "\n" in each:
            name = _TEXT.format(len(texts) + 1)
            texts[name] = each
            yield name
        else:
            yield each


def _listen(given: object, *, tls: bool) -> list[object]:
    """Where to listen: as it is given, a path for a Unix socket; else at ports of its own, inside TLS too."""
    if given is None:
        return ["ldap://127.0.0.1:0", *(["ldaps://127.0.0.1:0"] if tls else ())]
    urls = list(given) if isinstance(given, list | tuple) else [given]
    if not urls:
        raise UsageFault("listen: must name a listener")
    return [f"ldapi://{quote(os.fspath(url), safe='')}" if isinstance(url, os.PathLike) else url for url in urls]


@contextmanager
def in_keywords() -> Iterator[None]:
    """Options that are wrong as ValueError, in the form of keywords."""
    try:
        yield
    except UsageFault as fault:
        raise_in_keywords(fault)


def raise_in_keywords(fault: UsageFault) -> NoReturn:
    """Raise what is wrong with an option as ValueError: of `tls_cert`, where the command line has `--tls-cert`."""
    text = re.sub(r"^argument (?=--)", "", str(fault))
    text = re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda match: match[1].replace("-", "_"), text)
    name, colon, rule = text.partition(": ")
    if rule == "no such option":
        name = name.replace("-", "_")
        known = vars(settings_of({})).keys() - {*_NOT_HERE, "config"}
        likely = difflib.get_close_matches(name, known, 1)
        meant = _OTHERWISE_CALLED.get(name) or "".join(likely)
        rule = "no such setting" + (f"; is {meant} meant?" if meant else "")
    elif re.fullmatch(r"[a-z]+(-[a-z]+)+", name):
        name = name.replace("-", "_")
    raise ValueError(f"{name}{colon}{rule}") from None
