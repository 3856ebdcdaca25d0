"""How a load goes, on a terminal, while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ldapserver.cli.ldp.load_result import milliseconds
from ldapserver.cli.ldp.load_run import Run
from ldapserver.terminal import console, is_dumb, is_terminal

if TYPE_CHECKING:
    from rich.text import Text

REFRESH = 0.25  # seconds


def line(run: Run, noun: str, before: tuple[float, int]) -> "Text":
    """What stands there; `before` is the time of the last look, and how many had ended then."""
    from rich.text import Text

    tally, now = run.tally, run.now
    at, done = before
    rate = (tally.done - done) / (now - at) if now > at else 0.0
    latency = tally.latency
    return Text.assemble(
        (f"{max(0.0, now - tally.began) if tally.began else 0.0:6.1f} s  ", "dim"),
        (f"{rate:9,.0f} {noun}/s  ", "bold"),
        f"{tally.done:,} done  ",
        (f"{tally.failed:,} failed  ", "red" if tally.failed else "dim"),
        f"p50 {milliseconds(latency.percentile(50))} ms  p99 {milliseconds(latency.percentile(99))} ms",
    )


@asynccontextmanager
async def shown(run: Run, noun: str) -> AsyncIterator[None]:
    """Show it as long as the block lasts, if somebody looks at standard output."""
    if not is_terminal() or is_dumb():
        yield
        return
    from rich.live import Live

    # Without a thread of its own: it would take the time of what is measured whenever it likes.
    with Live(console=console(), auto_refresh=False, transient=True) as live:
        showing = asyncio.create_task(_show(run, noun, live.update))
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


async def _show(run: Run, noun: str, update: Callable[..., None]) -> None:
    before = (run.now, 0)
    while True:
        await asyncio.sleep(REFRESH)
        shown_line = line(run, noun, before)
        before = (run.now, run.tally.done)
        update(shown_line, refresh=True)
