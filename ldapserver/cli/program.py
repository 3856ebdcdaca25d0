"""A program of several commands, each in a module of its own, imported when it is asked for."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from sasl_digest import __version__, digest


@dataclass(frozen=True, slots=True)
class Program:
    """`name` is what is typed, `package` has a module with `main(arguments) -> int` for each of `commands`.

    `usage` has a place for these, and `wrong` is the exit status for a command line that names none of them.
    """

    name: str
    package: str
    commands: Mapping[str, str]
    usage: str
    wrong: int

    def run(self, arguments: Sequence[str] | None) -> int:
        """Run a command line, that of the process where it is None; the exit status."""
        first, *others = (sys.argv[1:] if arguments is None else arguments) or [""]
        if first in self.commands:
            return int(import_module(f"{self.package}.{first}").main(others))
        if first == "--version":
            # the modules of a compiled wheel are no Python: whoever measures or reports wants to know which they have
            print(f"{self.name} {__version__}{'' if str(digest.__file__).endswith('.py') else ' (compiled)'}")
            return 0
        width = max(map(len, self.commands)) + 1
        listed = "\n".join(f"  {name:{width}}{words}" for name, words in self.commands.items())
        usage = self.usage.format(commands=listed)
        if first in ("-h", "--help", "help"):
            print(usage, end="")
            return 0
        if first:
            print(f"{self.name}: {first!r} is no command; there are: {', '.join(self.commands)}", file=sys.stderr)
        else:
            print(usage, end="", file=sys.stderr)
        return self.wrong
