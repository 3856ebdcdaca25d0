"""On which loops a server can run here."""

import importlib.util
from collections.abc import Mapping

from benchmarks.server import options_of_serve


def loops() -> Mapping[str, tuple[str, ...]]:
    """The options of `ldapserver serve` for each, by its name."""
    if "--loop" not in options_of_serve():
        return {"twisted": ()}
    names = ["twisted", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
    return {name: ("--loop", name) for name in names}
