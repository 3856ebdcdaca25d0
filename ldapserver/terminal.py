"""Whether somebody looks: colours, tables and lines that move on a terminal, plain text for whatever else reads.

The one place that decides. A stream that is no terminal gets plain text. On a terminal NO_COLOR (not empty, as
no-color.org says) and TERM=dumb leave the tables in its width and take colours and cursor movements away.
"""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_RESET = "\x1b[0m"
_CODES = {"bold": "\x1b[1m", "dim": "\x1b[2m", "red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m"}
_CODES |= {"cyan": "\x1b[36m"}


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person reads `stream`, which is standard output if none is named."""
    stream = sys.stdout if stream is None else stream
    # It is None in a process that was started without one.
    return stream is not None and stream.isatty()


def is_dumb() -> bool:
    """Whether the terminal knows of no escapes: nothing may move on it."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def has_colours(stream: TextIO | None = None) -> bool:
    """Whether `stream` is a terminal that shows colours, and nobody has said that he wants none."""
    return is_terminal(stream) and not is_dumb() and not os.environ.get("NO_COLOR")


def console(stream: TextIO | None = None) -> "Console":
    """A console of rich's on `stream`, without any escape where there are to be no colours."""
    # A terminal library takes its time to load, and a pipe has no use for it.
    from rich.console import Console

    # no_color of rich's would leave bold and underline.
    return Console(file=stream, highlight=False, color_system="auto" if has_colours(stream) else None)


class Paint:
    """Colours a part of a line; without colours it gives back what it was given."""

    def __init__(self, colours: bool) -> None:
        self._colours = colours

    def __call__(self, text: str, style: str) -> str:
        """`text` in one of: bold, dim, red, green, yellow, cyan."""
        return f"{_CODES[style]}{text}{_RESET}" if self._colours and text else text
