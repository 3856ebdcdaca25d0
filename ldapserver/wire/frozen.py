"""What messages, filters and names are made of: values, which nobody changes once they are made.

Not to be compiled, nor are modules that compare what they make with it, as `filters`, or only make it, as `messages`:
mypyc does not see that it is a dataclass, and takes two values for equal when they are one object.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Value = TypeVar("_Value")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[_Value]) -> type[_Value]:
    """Make `cls` a dataclass with slots and a hash, equal by its fields unless it says itself when two are equal.

    That nobody assigns to a field is for the type checker to find, for whom it is frozen. Python's own frozen
    dataclass asks at every field of every message, and takes three times as long to make. The engine's values, which
    callers are handed, are tuples (`sasl_digest/values.py`); messages are told apart by class and derive from one
    another, which tuples cannot.
    """
    compared = "__eq__" not in vars(cls)
    return dataclass(slots=True, eq=compared, unsafe_hash=compared)(cls)
