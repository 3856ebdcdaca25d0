"""What is aimed at. Ratios are to who is measured beside; loops are those of `ldapserver serve --loop`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A limit, and whether it is the least instead of the most."""

    limit: float
    least: bool = False

    def met_by(self, measured: float) -> bool:
        """Whether this is within it."""
        return measured >= self.limit if self.least else measured <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.limit:g}"


# CPU of an operation, as a multiple of slapd's, by loop.
DIGEST_TO_SLAPD = {"twisted": Goal(0.75), "uvloop": Goal(0.50)}
CONNECT_TO_SLAPD = {"twisted": Goal(0.60), "uvloop": Goal(0.50)}
SIMPLE_TO_SLAPD = {"twisted": Goal(1.7), "uvloop": Goal(1.2)}
SEARCH_TO_SLAPD = {"twisted": Goal(2.0), "uvloop": Goal(1.5)}

LDAPTOR_TO_OURS = Goal(25, least=True)  # CPU of ldaptor's operation, as a multiple of ours
DIGEST_TO_FLOOR = {"twisted": Goal(2.0)}  # CPU of a digest bind, as a multiple of the bare loop's
MANY_USERS_TO_FEW = Goal(1.10)  # CPU of a digest bind, with 100,000 users and with 1,000
WORKERS_TO_ONE = Goal(1.15)  # CPU of a digest bind
P99_TO_SLAPD = Goal(1.0)  # of digest binds on 64 connections

START_OVER_REACTOR = Goal(120)  # ms from the process's start to the first bind, over a bare import of the reactor
WARM_FIXTURE = Goal(10)  # ms
AT_REST = Goal(60)  # MiB
IDLE_CONNECTION = Goal(3)  # KiB, each of 10,000
