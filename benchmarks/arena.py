"""Servers beside each other: all run, and one of them has work at a time, each in its turn, round after round."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks.load import Driver, Load, Order
from benchmarks.peers.peer import FLOOR, LDAPTOR, OURS, SLAPD, Peer
from benchmarks.process import Listening, hold_on_core

USERS = 1000


@dataclass(frozen=True)
class Contestant:
    """A peer with so many users, and what it is asked for."""

    peer: Peer
    mode: str
    connections: int
    users: int = USERS


Runs = Mapping[Contestant, Sequence[Load]]


@dataclass
class Arena:
    """The peers of a run, those that were started, and how they are driven."""

    peers: Sequence[Peer]
    workers: Sequence[Peer]
    drive: Driver
    rounds: int
    seconds: float
    core: int | None = None  # that all servers are held on; None lets the system choose
    _running: ExitStack = field(default_factory=ExitStack)
    _started: dict[tuple[Peer, int], Listening] = field(default_factory=dict)

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *why: object) -> None:
        self._running.close()

    def of_kind(self, kind: str) -> list[Peer]:
        """Those peers."""
        return [peer for peer in self.peers if peer.kind == kind]

    @property
    def ours(self) -> list[Peer]:
        """One for each loop; the first is the one of who installs nothing besides."""
        return self.of_kind(OURS)

    @property
    def slapd(self) -> Peer | None:
        """OpenLDAP's, where it is installed."""
        return next(iter(self.of_kind(SLAPD)), None)

    @property
    def ldaptor(self) -> Peer | None:
        """Where it is installed."""
        return next(iter(self.of_kind(LDAPTOR)), None)

    def floor(self, loop: str | None) -> Peer | None:
        """The bare loop of this name."""
        return next((peer for peer in self.of_kind(FLOOR) if peer.loop == loop), None)

    def by_turns(self, contestants: Sequence[Contestant]) -> Runs:
        """What each came to in each round."""
        servers = {each: self._server(each) for each in contestants}
        runs: dict[Contestant, list[Load]] = {each: [] for each in contestants}
        for _ in range(self.rounds):
            for each, server in servers.items():
                order = Order(each.mode, each.connections, each.users, self.seconds, each.peer.verified)
                runs[each].append(self.drive(server, order))
        return runs

    def _server(self, contestant: Contestant) -> Listening:
        key = contestant.peer, contestant.users
        if key not in self._started:
            server = self._running.enter_context(contestant.peer.start(contestant.users))
            if self.core is not None:
                hold_on_core(server.pid, self.core)
            self._started[key] = server
        return self._started[key]


def middle(runs: Sequence[Load]) -> Load:
    """The run of the median CPU."""
    return sorted(runs, key=lambda run: run.server_cpu_us)[len(runs) // 2]


def cpu_ratio(runs: Sequence[Load], others: Sequence[Load]) -> float:
    """CPU of the one over that of the other in the same round; the median of the rounds.

    Raises RuntimeError for runs within one tick of the system's clock.
    """
    if not all(other.server_cpu_us for other in others):
        raise RuntimeError("the runs are too short to see any CPU in them: --seconds asks for longer ones")
    return median(run.server_cpu_us / other.server_cpu_us for run, other in zip(runs, others, strict=True))


def p99_ratio(runs: Sequence[Load], others: Sequence[Load]) -> float:
    """The same of p99."""
    return median(run.p99_ms / other.p99_ms for run, other in zip(runs, others, strict=True))
