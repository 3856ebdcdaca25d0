"""Who looks on while a directory is filled: a bar on a terminal, or nobody."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watch(Protocol):
    """Shows how far one part of the filling has come."""

    def __call__(self, things: Iterable[T], count: int, doing: str, unit: str) -> Iterable[T]:
        """The same `count` things, each shown when what it was taken for is done.

        `doing` says what they are taken for, `unit` what they are: "completing", "entries".
        """
        ...


def unwatched(things: Iterable[T], count: int, doing: str, unit: str) -> Iterable[T]:
    """The `Watch` of nobody."""
    return things
