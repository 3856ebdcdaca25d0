"""A program run at a terminal of its own: what it shows there, and what is typed."""

import os
import pty
import select
import subprocess
from collections.abc import Sequence

from tests.interop.server import ENVIRONMENT

WITHOUT = {name: value for name, value in ENVIRONMENT.items() if name != "LDP_PASSWORD"}


def at_a_terminal(command: Sequence[str], *typed: tuple[str, str]) -> tuple[int, str]:
    """Its exit status, and all that stood on the screen; each pair is what to wait for there, and what to type."""
    terminal, of_child = pty.openpty()
    # the first terminal that the leader of a session opens becomes its own
    child = subprocess.Popen(
        ["sh", "-c", 'exec "$@" < "$TERMINAL" > "$TERMINAL" 2>&1', "sh", *command],
        env={**WITHOUT, "TERMINAL": os.ttyname(of_child)},
        start_new_session=True,
    )
    # It has opened its own by the time it shows anything; once that is closed, there is an end to be read.
    shown = b""
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        for prompt, text in typed:
            start = len(shown)
            while not (shown[start:].endswith(b": ") and prompt.encode() in shown[start:]):
                ready, _, _ = select.select([screen], [], [], 30)
                assert ready, f"no {prompt!r} came behind {shown!r}"
                shown += screen.read(1)
            screen.write(text.encode() if text == "\x03" else f"{text}\n".encode())
        if not typed:
            assert select.select([screen], [], [], 30)[0], "nothing was shown"
            shown += screen.read(1)
        os.close(of_child)
        try:
            while more := screen.read(1024):
                shown += more
        except OSError:  # Linux's way of saying that nobody holds the other end any more
            pass
    return child.wait(timeout=30), shown.decode()
