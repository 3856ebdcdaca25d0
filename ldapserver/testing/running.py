"""Servers that run as long as a `with` lasts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from ldapserver.testing.loop import Loop, loop
from ldapserver.testing.served import Served, start, stop
from ldapserver.testing.server import Server

P = ParamSpec("P")
T = TypeVar("T")


class _InThread:
    """Asks in the loop of this process."""

    def __init__(self, loop: Loop, served: Served) -> None:
        self._loop = loop
        self._served = served

    def __call__(self, function: Callable[Concatenate[Served, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.call(function, self._served, *args, **kwargs)


@contextmanager
def running_server(**settings: object) -> Iterator[Server]:
    """A server for as long as the `with` lasts; `settings` are options of `ldapserver serve`: `suffix="dc=..."`."""
    running = loop()
    served = running.call(start, running.reactor, settings)
    try:
        server = Server(_InThread(running, served))
        yield server
        server.faults.verify()
    finally:
        running.call(stop, served)
