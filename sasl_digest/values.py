"""Frozen values that cost little to make: those of a bind's way that callers are handed.

A frozen dataclass takes three to five times as long to make as a NamedTuple. So these are NamedTuples that compare
and show themselves as a dataclass does: a value equals those of its own kind only, and what is secret is not in its
repr. Callers can change none; what a server makes for itself is content with less (`ldapserver/wire/frozen.py`).
"""

from collections.abc import Callable, Collection
from operator import itemgetter
from typing import Any, Final, TypeVar

Tuple = TypeVar("Tuple", bound=tuple[Any, ...])

# made(Kind, (field, ...)), with all its fields: what Kind(field, ...) comes to, in a third of the time, by way of a
# function that NamedTuple has written for the names and the defaults.
made: Final = tuple.__new__


def frozen_value(
    *, hidden: Collection[str] = (), not_compared: Collection[str] = ()
) -> Callable[[type[Tuple]], type[Tuple]]:
    """Decorate a NamedTuple of two fields or more; `hidden` are left out of its repr, `not_compared` of equality."""

    def finish(cls: type[Tuple]) -> type[Tuple]:
        fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
        shown = [name for name in fields if name not in hidden]
        compared = itemgetter(*[at for at, name in enumerate(fields) if name not in not_compared])

        def equals(self: Tuple, other: object) -> bool:
            return type(other) is cls and bool(compared(self) == compared(other))

        def differs(self: Tuple, other: object) -> bool:
            return not equals(self, other)

        def hashed(self: Tuple) -> int:
            return hash((cls, compared(self)))

        def told(self: Tuple) -> str:
            return f"{cls.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

        cls.__eq__ = equals  # type: ignore[method-assign,assignment]
        cls.__ne__ = differs  # type: ignore[method-assign,assignment]
        cls.__hash__ = hashed  # type: ignore[method-assign,assignment]
        cls.__repr__ = told  # type: ignore[method-assign,assignment]
        return cls

    return finish
