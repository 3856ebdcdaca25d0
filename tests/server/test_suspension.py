"""A coroutine driven by hand: what ends it, what it is told, and what cancelling it means."""

from collections.abc import Coroutine
from typing import Any

import pytest

from ldapserver.suspension import Suspension, Task


class Steps:
    """What happened, in order."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def finished(self, task: Task[Any]) -> None:
        self.seen.append(("finished", task.value, task.error))


async def waits(for_: Suspension[Any], steps: Steps) -> object:
    try:
        value = await for_
        steps.seen.append(value)
        return value
    finally:
        steps.seen.append("ended")


def test_what_has_nothing_to_wait_for_is_finished_when_it_was_started() -> None:
    async def at_once() -> int:
        return 7

    steps = Steps()
    Task(at_once(), steps.finished).start()
    assert steps.seen == [("finished", 7, None)]


def test_a_task_goes_on_with_the_value_it_waited_for() -> None:
    steps, suspension = Steps(), Suspension[int]()
    Task(waits(suspension, steps), steps.finished).start()
    assert steps.seen == []
    suspension.resume(7)
    assert steps.seen == [7, "ended", ("finished", 7, None)]


def test_a_task_may_wait_more_than_once() -> None:
    first, second, steps = Suspension[int](), Suspension[int](), Steps()

    async def both() -> int:
        return await first + await second

    Task(both(), steps.finished).start()
    first.resume(1)
    assert steps.seen == []
    second.resume(2)
    assert steps.seen == [("finished", 3, None)]


def test_what_is_there_already_is_not_waited_for() -> None:
    steps, suspension = Steps(), Suspension[int]()
    suspension.resume(7)
    Task(waits(suspension, steps), steps.finished).start()
    assert steps.seen[-1] == ("finished", 7, None)


def test_none_is_a_value() -> None:
    steps, suspension = Steps(), Suspension[None]()
    Task(waits(suspension, steps), steps.finished).start()
    suspension.resume(None)
    assert steps.seen == [None, "ended", ("finished", None, None)]


def test_a_task_goes_on_with_the_error_that_came_instead() -> None:
    steps, suspension, error = Steps(), Suspension[int](), ValueError("no")
    Task(waits(suspension, steps), steps.finished).start()
    suspension.fail(error)
    assert steps.seen == ["ended", ("finished", None, error)]


def test_an_error_in_a_coroutine_is_kept_for_who_asks() -> None:
    async def breaks() -> None:
        raise KeyError("a bug")

    steps = Steps()
    task = Task(breaks(), steps.finished)
    task.start()
    assert isinstance(task.error, KeyError)
    assert len(steps.seen) == 1


def test_what_is_no_exception_of_the_coroutines_own_is_not_kept() -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Task(interrupted(), Steps().finished).start()


def test_a_cancelled_task_ends_where_it_waits_and_does_not_finish() -> None:
    steps, suspension = Steps(), Suspension[int]()
    task = Task(waits(suspension, steps), steps.finished)
    task.start()
    task.cancel()
    assert steps.seen == ["ended"]
    suspension.resume(7)
    assert steps.seen == ["ended"]


def test_a_task_cancelled_before_it_starts_never_runs() -> None:
    steps, suspension = Steps(), Suspension[int]()
    task = Task(waits(suspension, steps), steps.finished)
    task.cancel()
    task.start()
    assert steps.seen == []


def test_a_task_cancelled_twice_is_cancelled() -> None:
    steps, suspension = Steps(), Suspension[int]()
    task = Task(waits(suspension, steps), steps.finished)
    task.start()
    task.cancel()
    task.cancel()
    assert steps.seen == ["ended"]


def started(make: Any) -> tuple[Task[Any], Steps]:
    """A task whose coroutine is given the task itself."""
    steps = Steps()
    tasks: list[Task[Any]] = []
    coroutine: Coroutine[Any, Any, Any] = make(lambda: tasks[0].cancel(), steps)
    tasks.append(Task(coroutine, steps.finished))
    tasks[0].start()
    return tasks[0], steps


def test_a_task_that_cancels_itself_runs_to_where_it_would_wait() -> None:
    suspension: Suspension[int] = Suspension()

    async def body(cancel: Any, steps: Steps) -> None:
        cancel()
        steps.seen.append("still here")
        await waits(suspension, steps)

    task, steps = started(body)
    assert steps.seen == ["still here", "ended"]
    suspension.resume(7)
    assert steps.seen == ["still here", "ended"]
    assert task.cancelled


@pytest.mark.parametrize("breaks", [False, True])
def test_a_task_that_cancels_itself_and_then_ends_does_not_finish(breaks: bool) -> None:
    async def body(cancel: Any, steps: Steps) -> None:
        cancel()
        if breaks:
            raise KeyError("a bug")

    _, steps = started(body)
    assert steps.seen == []


def test_cancelling_what_has_ended_is_nothing() -> None:
    async def at_once() -> int:
        return 7

    steps = Steps()
    task = Task(at_once(), steps.finished)
    task.start()
    task.cancel()
    assert task.value == 7
