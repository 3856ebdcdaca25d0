"""`--save`: everything that a directory holds, put into one LDIF file at exit, and on SIGUSR1 while it serves."""

import argparse
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ldapserver.directory.ldif import Attributes, InvalidLDIF
from ldapserver.hosting.ldif_file import text_of, write_whole
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile, check_place
from ldapserver.wire.dn import DN

SLICE = 0.002  # seconds of writing between two turns of the reactor: about what four binds take

_log = logging.getLogger("ldapserver")


class Reactor(Protocol):
    """What of Twisted's reactor is used here."""

    def callLater(self, delay: float, call: Callable[[], object]) -> object:  # noqa: N802  # Twisted's names
        """Call in a later turn."""
        ...

    def callInThread(self, call: Callable[[], object]) -> object:  # noqa: N802
        """Call in another thread."""
        ...

    def callFromThread(self, call: Callable[[], object]) -> object:  # noqa: N802
        """Call in the reactor's own."""
        ...


class Saving:
    """The file of `--save`, and what is under way to it."""

    def __init__(
        self,
        path: str,
        records: Callable[[], Iterable[tuple[DN, Attributes]]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`records` gives what is to be written, as it is at that moment, whatever becomes of it while it is read."""
        self.path = path
        self._records = records
        self._clock = clock
        self._file: WholeFile | None = None
        self._busy = self._again = False

    def begin(self, reactor: Reactor) -> None:
        """Write the file between the turns of the reactor; once more behind it where it is being written now."""
        if self._busy:
            self._again = True
            return
        try:
            self._file = WholeFile(self.path, private=True)
            pieces = text_of(self._records())
        except OSError as error:
            self._tell(error)
            return
        self._busy = True
        self._go_on(reactor, self._file, pieces)

    def at_exit(self) -> bool:
        """Write the file now, nobody being served any more; whether it was written."""
        if self._file is not None:
            self._file.abandon()
            self._file = None
        try:
            write_whole(self.path, self._records(), private=True)
        except (OSError, InvalidLDIF) as error:
            self._tell(error)
            return False
        self._tell(None)
        return True

    def _go_on(self, reactor: Reactor, file: WholeFile, pieces: Iterator[bytes]) -> None:
        if file is not self._file:  # abandoned meanwhile
            return
        end = self._clock() + SLICE
        try:
            for piece in pieces:
                file.write(piece)
                if self._clock() >= end:
                    reactor.callLater(0, lambda: self._go_on(reactor, file, pieces))
                    return
        except (OSError, InvalidLDIF) as error:
            file.abandon()
            self._ended(reactor, error)
            return
        # The disk may take its time.
        self._file = None
        reactor.callInThread(lambda: self._finish(reactor, file))

    def _finish(self, reactor: Reactor, file: WholeFile) -> None:
        failure: OSError | None = None
        try:
            file.finish()
        except OSError as error:
            failure = error
        reactor.callFromThread(lambda: self._ended(reactor, failure))

    def _ended(self, reactor: Reactor, error: OSError | InvalidLDIF | None) -> None:
        self._file = None
        self._busy, again, self._again = False, self._again, False
        self._tell(error)
        if again:
            self.begin(reactor)

    def _tell(self, error: OSError | InvalidLDIF | None) -> None:
        if error is None:
            _log.info("saved in %s", self.path)
        else:
            reason = error.strerror if isinstance(error, OSError) else error
            _log.error("argument --save: %s: %s; it is not saved, and what was there stays", self.path, reason)


def prepare_to_save(options: argparse.Namespace) -> None:
    """See to it that `--save` can be done, as far as can be known at the start. Raises UsageFault.

    A file that is both loaded and saved is made by the first run: then it is no part of `options.ldif`.
    """
    if options.save is None:
        return
    try:
        check_place(options.save)
    except OSError as error:
        raise UsageFault(f"argument --save: {options.save}: {error.strerror}") from None
    if not os.path.exists(options.save):
        place = os.path.realpath(options.save)
        left = [path for path in options.ldif if os.path.realpath(path) != place]
        if len(left) < len(options.ldif):
            _log.info("%s is not there yet; it is made at exit", options.save)
            options.ldif = left
