"""A server in a process of its own, for tests of programs that run a reactor themselves.

What is asked of it goes there pickled, as the function of a module and its arguments, and what comes of it comes back
so, exceptions as themselves. It ends with whoever started it, however that ends: what they speak over is closed then.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Concatenate, ParamSpec, TypeVar

from ldapserver.testing.loop import Loop, loop
from ldapserver.testing.plan import Plan
from ldapserver.testing.served import Served, start, stop

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 60.0  # seconds for a process to begin: a machine under load is slow
_LAST = 10.0  # seconds for one to end that was told to


class Child:
    """The process of one server: asks there."""

    def __init__(self, plan: Plan) -> None:
        """Raises what `served.start` raises, and RuntimeError when there is no such process."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._asked: dict[int, Future[Any]] = {}
        self._count = 0
        self._over = False
        self._connection, self._process = _spawned()
        _CONNECTIONS.add(self._connection)
        self._reader = threading.Thread(target=self._read, name="ldapserver.testing.process", daemon=True)
        self._reader.start()
        try:
            self._begin(None, plan).result(_PATIENCE)
        except BaseException:
            self.stop()
            raise

    def __call__(self, function: Callable[Concatenate[Served, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if os.getpid() != self._pid:
            raise RuntimeError("the server belongs to the process that this one was forked off")
        asked = self._begin(function, *args, **kwargs)
        try:
            result: T = asked.result()
            return result
        finally:
            del asked

    def _begin(self, function: object, *args: object, **kwargs: object) -> Future[Any]:
        """Have it asked; `None` for a function is the first thing, which starts the server."""
        future: Future[Any] = Future()
        with self._lock:
            if self._over:
                raise RuntimeError("the server's process has ended")
            self._count += 1
            octets = _numbered(self._count, pickle.dumps((function, args, kwargs)))
            self._asked[self._count] = future
            try:
                self._connection.send_bytes(octets)
            except OSError:
                self._asked.pop(self._count)
                raise RuntimeError("the server's process has ended") from None
        return future

    def _read(self) -> None:
        """Hand out what comes back, until nothing more will."""
        try:
            while True:
                number, octets = _number_of(self._connection.recv_bytes())
                _settle(self._asked.pop(number), octets)
        except (EOFError, OSError):
            with self._lock:
                self._over = True
                left, self._asked = list(self._asked.values()), {}
            for future in left:
                future.set_exception(RuntimeError("the server's process has ended"))

    def stop(self) -> None:
        """End it: as a server that stops does, or if need be at once."""
        # Half of what they speak over is enough: the other brings what is still under way.
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as ours:  # ended already
            ours.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(_LAST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._connection.close()


def _settle(asked: Future[Any], octets: bytes) -> None:
    """Let what was asked have come to this."""
    try:
        raised, result = pickle.loads(octets)
    except Exception as error:  # what was made of a class that is not here
        asked.set_exception(error)
    else:
        (asked.set_exception if raised else asked.set_result)(result)


def _numbered(number: int, octets: bytes) -> bytes:
    """A message: the number of what was asked stays readable, whatever cannot be read of the rest."""
    return number.to_bytes(8) + octets


def _number_of(message: bytes) -> tuple[int, bytes]:
    return int.from_bytes(message[:8]), message[8:]


def _spawned() -> tuple[Connection, "subprocess.Popen[bytes]"]:
    """A process that waits to be asked, and what it is asked over."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # As this one finds modules, and not as it happens in the folder it is started in.
        path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
        command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno())]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": path},
        )
        return Connection(ours.detach()), process


# A copy that a forked process keeps would let a server outlive this one.
_CONNECTIONS: "weakref.WeakSet[Connection]" = weakref.WeakSet()


def _forked() -> None:
    for connection in _CONNECTIONS:
        if not connection.closed:
            connection.close()


os.register_at_fork(after_in_child=_forked)


# In the server's process


class _Asked:
    """Does what is asked in the loop, one after another as it comes, and sends back what comes of each."""

    def __init__(self, connection: Connection, running: Loop) -> None:
        self._connection = connection
        self._loop = running
        self._lock = threading.Lock()
        self.served: Served | None = None

    def take(self, octets: bytes) -> None:
        """Begin what was asked."""
        number, rest = _number_of(octets)
        done, _ = self._loop.begin(self._do, rest)
        done.add_done_callback(lambda done: self._answer(number, done))

    def _do(self, octets: bytes) -> Any:
        function, args, kwargs = pickle.loads(octets)
        if function is None:
            self.served = start(self._loop.reactor, *args)
            return None
        return function(self.served, *args, **kwargs)

    def _answer(self, number: int, done: "Future[Any]") -> None:
        error = done.exception()
        octets = _pickled((error is not None, done.result() if error is None else error))
        if octets is None:
            told = RuntimeError(f"the server's process cannot send this: {error or done.result()!r}")
            octets = pickle.dumps((True, told))
        # Where that fails nobody waits for it any more.
        with self._lock, suppress(OSError):
            self._connection.send_bytes(_numbered(number, octets))


def _pickled(answer: tuple[bool, Any]) -> bytes | None:
    """The answer as it can be read again, None where it cannot: an exception may want what it was not given."""
    try:
        octets = pickle.dumps(answer)
        pickle.loads(octets)
    except Exception:
        return None
    return octets


def main(descriptor: int) -> None:
    """Do what is asked over this descriptor, until nobody is there to ask."""
    # Whoever is interrupted at the terminal stops us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running = loop()
    with Connection(descriptor) as connection:
        asked = _Asked(connection, running)
        try:
            while True:
                asked.take(connection.recv_bytes())
        except (EOFError, OSError):
            if asked.served is not None:
                running.call(stop, asked.served)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the rest of an interpreter's end takes ten times as long, and whoever stops us waits


if __name__ == "__main__":
    main(int(sys.argv[1]))
