"""A departure: one thing that somebody may have hashed in another way than RFC 2831 has it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from sasl_digest.explaining.formula import Inputs


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known beside the exchange: other names of the account, of the domain, and of the server."""

    names: tuple[str, ...] = ()
    realms: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


NO_HINTS = Hints()


@dataclass(frozen=True, slots=True)
class Departure:
    """`words` go on from "the client hashed"; `because` are ways in which one comes to it, of which any may be so.

    `aspect` is what it is about: two of the same aspect exclude each other. `changes` are fields of `Inputs`.
    """

    aspect: str
    words: str
    because: tuple[str, ...]
    changes: tuple[tuple[str, object], ...] = field(repr=False)

    def of(self, inputs: Inputs) -> Inputs:
        """The inputs with it."""
        return replace(inputs, **dict(self.changes))  # type: ignore[arg-type]  # the fields' own types


class Collected:
    """Departures of one aspect: those that come to the same octets are one, with several ways to come to it."""

    def __init__(self, aspect: str, base: Inputs) -> None:
        self._aspect = aspect
        self._base = base
        self._found: dict[tuple[tuple[str, object], ...], tuple[str, list[str]]] = {}

    def add(self, words: str, because: str = "", **changes: object) -> None:
        """One more, unless it changes nothing."""
        if all(getattr(self._base, name) == value for name, value in changes.items()):
            return
        _, why = self._found.setdefault(tuple(changes.items()), (words, []))
        if because and because not in why:
            why.append(because)

    def __iter__(self) -> Iterator[Departure]:
        for changes, (words, because) in self._found.items():
            yield Departure(self._aspect, words, tuple(because), changes)


def shown(value: str | bytes, most: int = 80) -> str:
    """A name of the exchange, in quotes, for a sentence: on one line and not longer than a line."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
    return f"'{text if len(text) <= most else text[:most] + '...'}'"


def unique(values: Iterable[str]) -> tuple[str, ...]:
    """The values, each once, without the empty one."""
    return tuple(dict.fromkeys(value for value in values if value))
