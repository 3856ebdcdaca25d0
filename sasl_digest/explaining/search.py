"""Which departures from RFC 2831, one, or several at once, give the digest that was sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sasl_digest.explaining.departures import Departure, Hints
from sasl_digest.explaining.exchange import Exchange
from sasl_digest.explaining.formula import Inputs, digest_of
from sasl_digest.explaining.strings import string_departures
from sasl_digest.explaining.wire import wire_departures

DEPTH = 2  # departures at once; a third multiplies the work by a hundred
MOST = 400_000  # digests that are computed at most


@dataclass(frozen=True, slots=True)
class Base:
    """What is begun with: RFC 2831's inputs for one secret. A stored hash of other names is a departure by itself."""

    inputs: Inputs = field(repr=False)
    departures: tuple[Departure, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to make the digest that was sent; without departures it is RFC 2831's."""

    departures: tuple[Departure, ...]
    inputs: Inputs = field(repr=False)

    @property
    def words(self) -> str:
        """What goes on from "the client hashed"."""
        return ", and ".join(each.words for each in self.departures)


@dataclass(frozen=True, slots=True)
class Searched:
    """The readings with the fewest departures; `tried` digests were computed, which may not be the `whole` lot."""

    readings: tuple[Reading, ...]
    tried: int
    whole: bool


def search(exchange: Exchange, bases: Sequence[Base], wanted: bytes, hints: Hints, depth: int = DEPTH) -> Searched:
    """The readings of `wanted` that begin with any of `bases`; those with one departure before those with two.

    All with the fewest are found: a second explanation of the same digits is never left out for the first.
    """
    tried = 0
    departures = [
        (*string_departures(exchange, base.inputs, hints), *wire_departures(exchange, base.inputs, hints))
        for base in bases
    ]
    for count in range(depth + 1):
        found: dict[Reading, None] = {}
        for base, known in zip(bases, departures, strict=True):
            for chosen, inputs in _choices(known, count, base.inputs):
                if tried >= MOST:
                    return Searched(_fewest(found), tried, whole=False)
                tried += 1
                if digest_of(inputs) == wanted:
                    found[Reading((*base.departures, *chosen), inputs)] = None
        if found:
            return Searched(_fewest(found), tried, whole=True)
    return Searched((), tried, whole=True)


def _choices(
    departures: Sequence[Departure], count: int, inputs: Inputs, chosen: tuple[Departure, ...] = ()
) -> Iterator[tuple[tuple[Departure, ...], Inputs]]:
    """Each way to choose so many of different aspects, and what `inputs` become with them."""
    if not count:
        yield chosen, inputs
        return
    aspects = {each.aspect for each in chosen}
    for at, each in enumerate(departures):
        if each.aspect not in aspects:
            yield from _choices(departures[at + 1 :], count - 1, each.of(inputs), (*chosen, each))


def _fewest(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    found = tuple(readings)
    least = min((len(each.departures) for each in found), default=0)
    return tuple(each for each in found if len(each.departures) == least)
