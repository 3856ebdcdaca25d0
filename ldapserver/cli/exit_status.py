"""What a command ends with: its exit status, and one line on standard error about what went wrong."""

import os
import sys
from collections.abc import Callable

from ldapserver.cli.password import NoPassword
from ldapserver.directory.ldif import InvalidLDIF
from ldapserver.printable import printable
from ldapserver.url import InvalidURL
from ldapserver.usage import UsageFault

USAGE = 2
ANOTHER_FAILURE = 80
INTERRUPTED = 130  # what a shell shows for a process ended by SIGINT, and the next by SIGPIPE
NO_READER = 141


class Failure(Exception):
    """What was asked for was not done: the exit status, and the line to print."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


def ended(program: str, work: Callable[[], int], *, system: int = ANOTHER_FAILURE, usage: int = USAGE) -> int:
    """The exit status that `work` returns, or that of what it raises, which is told.

    `system` is that of OSError, `usage` that of a wrong command line.
    """
    try:
        return work()
    except (UsageFault, InvalidURL, InvalidLDIF, NoPassword) as fault:
        return failed(program, usage, str(fault))
    except Failure as failure:
        return failed(program, failure.status, str(failure))
    except BrokenPipeError:
        # Whoever read has seen enough; what is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        return failed(program, system, f"{error.filename or 'standard output'}: {error.strerror}")
    except KeyboardInterrupt:
        return failed(program, INTERRUPTED, "interrupted")


def failed(program: str, status: int, line: str) -> int:
    """Say it on standard error; the exit status."""
    print(f"{program}:", printable(line), file=sys.stderr)
    return status
