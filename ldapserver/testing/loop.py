"""The loop that servers under test run in: a reactor of our own, in a thread of its own, one for the process.

It is not the reactor of `twisted.internet`, which is neither used nor chosen here, stays free for the program under
test, and could not be started twice. A server that is stopped leaves the loop, and the loop goes on for the next one.
It takes no signals, and says to nobody that its thread is the one of Twisted.
"""

import os
import select
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE = 30.0  # seconds that a call may wait for its turn before the loop is said to be stuck
_THREADS = 10  # at most, for what is dear: as many as a reactor's own pool has


class Loop:
    """A reactor that runs."""

    def __init__(self) -> None:
        self.reactor = _reactor()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="ldapserver.testing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.reactor.run(installSignalHandlers=False)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns, or raises, when it is called in the loop's thread; a Deferred is waited for.

        Raises RuntimeError in the loop's thread itself, and in a process that was forked off this one; TimeoutError
        when the loop is busy with something that does not end.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("called in the servers' own thread, which cannot wait for itself")
        if os.getpid() != self._pid:
            raise RuntimeError("the server is in the process that this one was forked off")
        done, begun = self.begin(function, *args, **kwargs)
        try:
            if not begun.wait(PATIENCE):
                raise TimeoutError(f"the loop of the servers under test did nothing for {PATIENCE:g} seconds")
            return done.result()
        finally:
            del done  # which an exception's traceback would hold, and it the exception

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[Future[T], threading.Event]:
        """Have it called in the loop's thread: what comes of it, some day, and whether it has had its turn."""
        done: Future[T] = Future()
        begun = threading.Event()

        def failed(failure: "Failure") -> None:
            done.set_exception(failure.value)

        def run() -> None:
            from twisted.internet.defer import maybeDeferred

            begun.set()
            maybeDeferred(function, *args, **kwargs).addCallbacks(done.set_result, failed)

        self.reactor.callFromThread(run)
        return done, begun


def _reactor() -> Any:
    """A reactor, the best that the system has; none is installed."""
    from twisted.python.threadpool import ThreadPool

    class Thread(threading.Thread):
        """No reason for a process to stay."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs, daemon=True)

    class Threads(ThreadPool):
        """Of these."""

        threadFactory = Thread  # noqa: N815  Twisted's name

    reactor: Any
    if hasattr(select, "epoll"):
        from twisted.internet.epollreactor import EPollReactor

        reactor = cast(Any, EPollReactor)()
    elif hasattr(select, "kqueue"):
        from twisted.internet.kqreactor import KQueueReactor

        reactor = cast(Any, KQueueReactor)()
    else:
        from twisted.internet.selectreactor import SelectReactor

        reactor = SelectReactor()
    # Else a program whose reactor runs is told that its thread is not the one of its reactor.
    reactor._registerAsIOThread = False
    reactor.threadpool = Threads(0, _THREADS, "ldapserver.testing")
    reactor.threadpool.start()
    return reactor


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """What comes of a coroutine that never waits, as those of a `MemoryDirectory`. Raises RuntimeError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r}: waits, and nobody would wake it")


_lock = threading.Lock()
_loop: Loop | None = None


def loop() -> Loop:
    """The process's; started when it is first asked for."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = Loop()
        return _loop


def _forked() -> None:
    """A process that was forked off has none of the threads, and makes a loop of its own."""
    global _lock, _loop
    _lock, _loop = threading.Lock(), None


os.register_at_fork(after_in_child=_forked)
