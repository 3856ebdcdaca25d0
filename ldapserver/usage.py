"""What every command line has: its one line about what is wrong, and options that are given once."""

import argparse
import textwrap
from typing import Any, NoReturn


class UsageFault(Exception):
    """The command line or a file that it names is wrong; the text is the one line to print."""


def is_utf8(text: str) -> bool:
    """Whether what was typed came as UTF-8: octets that are not became lone surrogates."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


class Once(argparse.Action):
    """An option that has one value: a second would silently take the place of the first."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None
    ) -> None:
        if hasattr(namespace, self.dest):
            raise argparse.ArgumentError(self, "is not repeatable")
        setattr(namespace, self.dest, values)


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves names whole that have a hyphen: an option, or an extra, that is cut in two cannot be copied."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line and no usage: it is the option that was wrong, not the user's memory of all of them."""
        raise UsageFault(message)
