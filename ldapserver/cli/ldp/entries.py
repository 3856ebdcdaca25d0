"""Entries in the words of LDP.exe."""

from collections.abc import Callable, Iterable

from ldapserver.cli.ldp.transcript import Output
from ldapserver.cli.ldp.values import plain, shown
from ldapserver.directory.ldif import Attributes
from ldapserver.printable import printable


def say_entry(out: Output, name: str, attributes: Attributes) -> None:
    """An entry, its attributes by name, values with what they mean."""
    out.say(f"Dn: {printable(name)}")
    _say_attributes(out, attributes, shown)


def say_root_dse(out: Output, entries: Iterable[Attributes]) -> None:
    """What is at the root, its values as they are."""
    for attributes in entries:
        out.say("Dn: (RootDSE)")
        _say_attributes(out, attributes, lambda name, value: plain(value))


def _say_attributes(out: Output, attributes: Attributes, text: Callable[[str, bytes], str]) -> None:
    for name, values in sorted(attributes, key=lambda each: each[0].lower()):
        count = f" ({len(values)})" if len(values) > 1 else ""
        out.say(f"{printable(name)}{count}: " + "".join(f"{text(name, value)}; " for value in values))
