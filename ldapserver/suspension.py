"""How an operation waits, without an event loop: one small awaitable, and the driver that starts a coroutine by hand.

A coroutine that has nothing to wait for is finished when `Task` has started it: no Future, no turn of a loop. What
does wait yields a `Suspension`, and goes on when whoever holds that resumes it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
U = TypeVar("U")


class Suspension(Generic[T]):
    """A value that is not there yet. Resume it once, with `resume` or `fail`; await it once."""

    __slots__ = ("_done", "_error", "_value", "resumed")

    def __init__(self) -> None:
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self.resumed: Callable[[], None] | None = None

    def resume(self, value: T) -> None:
        """Let the coroutine that waits go on with `value`."""
        self._value = value
        self._finish()

    def fail(self, error: BaseException) -> None:
        """Let the coroutine that waits go on with `error`."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        self._done = True
        if self.resumed is not None:
            self.resumed()

    def __await__(self) -> Generator["Suspension[T]", None, T]:
        if not self._done:
            yield self
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set by resume(), with a T that may be None


class Task(Generic[T]):
    """A coroutine under way. `finished(task)` is called when it ends, unless it was cancelled.

    It begins with `start()`.
    """

    __slots__ = ("_coroutine", "_finished", "_running", "cancelled", "error", "value")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, T],
        finished: Callable[["Task[T]"], None],
    ) -> None:
        self._coroutine = coroutine
        self._finished = finished
        self._running = False
        self.cancelled = False
        self.value: T | None = None
        self.error: Exception | None = None

    def start(self) -> None:
        """Run until the coroutine ends or waits; what it then waits for runs it on."""
        if not self.cancelled:
            self._advance()

    def _advance(self) -> None:
        self._running = True
        try:
            suspension = self._coroutine.send(None)
        except StopIteration as stop:
            self.value = stop.value
        except Exception as error:
            self.error = error
        else:
            self._running = False
            if self.cancelled:
                self._coroutine.close()
            else:
                suspension.resumed = self.start
            return
        if not self.cancelled:
            self._finished(self)

    def cancel(self) -> None:
        """End the coroutine where it waits, or will wait next; `finished` is not called."""
        self.cancelled = True
        if not self._running:
            self._coroutine.close()


async def then(first: Awaitable[T], rest: Callable[[T], U | Awaitable[U]]) -> U:
    """What `rest` makes of what comes of `first`, be it at once or later.

    So what follows a question is one function, whether the answer was there at once or had to be waited for.
    """
    second = rest(await first)
    return await second if isinstance(second, Awaitable) else second


async def to_its_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """What comes of `coroutine`, which goes on though who awaits it is cancelled."""
    outcome: Suspension[T] = Suspension()

    def ended(task: Task[T]) -> None:
        if task.error is not None:
            outcome.fail(task.error)
        else:
            outcome.resume(task.value)  # type: ignore[arg-type]  # what the coroutine returned: T may be None

    Task(coroutine, ended).start()
    return await outcome


class Host(Protocol):
    """What an operation may ask of the program that drives it."""

    def pause(self) -> Awaitable[None]:
        """Let others have a turn, and wait while the peer does not read."""
        ...

    def offload(self, work: Callable[[], T]) -> Awaitable[T] | None:
        """Do dear work beside the loop; None when as much is under way as may be."""
        ...
