"""Servers that run as long as a `with` lasts, or until they are stopped."""

import atexit
from collections.abc import Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from ldapserver.testing import reporting
from ldapserver.testing.beginning import begun, fill
from ldapserver.testing.loop import Loop, loop
from ldapserver.testing.plan import Plan, plan
from ldapserver.testing.register import RUNNING, closed
from ldapserver.testing.served import Served, start, stop
from ldapserver.testing.server import Ask, Server

P = ParamSpec("P")
T = TypeVar("T")


class _InThread:
    """Asks in the loop of this process."""

    def __init__(self, loop: Loop, served: Served) -> None:
        self._loop = loop
        self._served = served

    def __call__(self, function: Callable[Concatenate[Served, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._loop.call(function, self._served, *args, **kwargs)


class running_server:  # noqa: N801  used as the function that it reads as
    """A server for as long as a `with`, or an `async with`, lasts: `with running_server() as server:`.

    It is ready when it is entered, at a port of its own. `settings` are the options of `ldapserver serve` under their
    names with underscores, `suffix="dc=example,dc=org"`, `lockout_threshold=3`; docs/testing.md has what there is
    beside them. With `process` it runs in a process of its own, for a program that runs a reactor itself or blocks
    every thread. Entering raises ValueError for a wrong setting, which it names with the rule; nothing is left then.
    """

    def __init__(self, *, process: bool = False, **settings: object) -> None:
        self._process = process
        self._settings = settings
        self._server: Server | None = None

    def __enter__(self) -> Server:
        if self._server is not None:
            raise RuntimeError("this server runs already: each running_server() is one server at a time")
        self._server = start_server(process=self._process, **self._settings)
        return self._server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop(verify=kind is None)

    async def __aenter__(self) -> Server:
        import asyncio  # which others need not load

        # In a thread, for the program's own loop has other things to do.
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.__exit__, kind, error, traceback)


def start_server(*, process: bool = False, **settings: object) -> Server:
    """Start a server, which runs until its `stop()` is called: for `unittest`'s `addCleanup`, and the like.

    Takes what `running_server` takes. Raises ValueError for a wrong setting.
    """
    options, data = begun(settings)
    planned = plan(options)
    ask, end = _in_process(planned) if process else _in_thread(planned)

    def stopped() -> None:
        try:
            if closed(server):
                reporting.closing(server)
        finally:
            end()

    server = Server(ask, stopped)
    RUNNING.append(server)
    try:
        fill(ask, data)
    except BaseException:
        server.stop(verify=False)
        raise
    return server


def _in_thread(planned: Plan) -> tuple[Ask, Callable[[], None]]:
    running = loop()
    served = running.call(start, running.reactor, planned)
    return _InThread(running, served), lambda: running.call(stop, served)


def _in_process(planned: Plan) -> tuple[Ask, Callable[[], None]]:
    from ldapserver.testing.process import Child  # not loaded for the others

    child = Child(planned)
    return child, child.stop


def _stop_all() -> None:
    """The process ends: no socket's file, and no half of a record, is to stay."""
    for server in tuple(RUNNING):
        server.stop(verify=False)


atexit.register(_stop_all)
