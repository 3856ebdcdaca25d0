"""The loop that servers under test run in: a reactor of our own, in a thread of its own, one for the process.

It is not the reactor of `twisted.internet`, which stays free for the program under test, and which could not be
started twice. A server that is stopped leaves the loop, and the loop goes on for the next one.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0  # seconds that a call may take before it is said to be stuck


class Loop:
    """A reactor that runs."""

    def __init__(self) -> None:
        from twisted.internet.selectreactor import SelectReactor

        self.reactor: Any = SelectReactor()
        self._thread = threading.Thread(target=self._run, name="ldapserver.testing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.reactor.run(installSignalHandlers=False)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns, or raises, when it is called in the loop's thread; a Deferred is waited for."""
        done: Future[T] = Future()

        def run() -> None:
            from twisted.internet.defer import maybeDeferred

            maybeDeferred(function, *args, **kwargs).addCallbacks(
                done.set_result, lambda failure: done.set_exception(failure.value)
            )

        self.reactor.callFromThread(run)
        return done.result(PATIENCE)


_lock = threading.Lock()
_loop: Loop | None = None


def loop() -> Loop:
    """The process's; started when it is first asked for."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = Loop()
        return _loop
