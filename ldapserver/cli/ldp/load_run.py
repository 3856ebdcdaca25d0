"""The running of a load: which operation is due when, and the connections that carry them out.

Without a rate each connection begins its next operation when the last one has ended (a closed loop): while a server
stands still, nobody asks it anything, and only as many latencies as there are connections tell of it. With a rate
operation number n is due at n/rate, whatever the server does, and its latency is counted from then on: the time that
it waited for a connection to be free is a part of it, as it would be of a user's ("coordinated omission").
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass

from ldapserver.cli.ldp.load_client import TIMEOUT, UNREACHABLE, Client, Target, Trouble
from ldapserver.cli.ldp.load_result import Tally
from ldapserver.cli.ldp.load_users import User, Users
from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import ResultCode, Scope

MOST_SELECTED = 500  # connections; their descriptors are below 1,024 then
PAUSE = 0.1  # seconds before a connection that could not be made is tried again: a closed port is no work to measure


@dataclass(frozen=True, slots=True)
class Search:
    """What `--mode search` asks for; `filter` may depend on whose turn it is."""

    base: str
    scope: Scope
    filter: Callable[[User], Filter]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done; `duration` and `timeout` are in seconds, `rate` in operations a second."""

    target: Target
    users: Users
    connections: int = 1
    count: int | None = None
    duration: float | None = None
    rate: float | None = None
    timeout: float = 10.0
    reconnect: bool = False
    dn: Callable[[User], str] | None = None  # what simple binds name; without it binds are by DIGEST-MD5
    search: Search | None = None


class Schedule:
    """Which operation is next, and when it is due."""

    def __init__(self, plan: Plan, began: float) -> None:
        self._plan = plan
        self._began = began
        self._taken = 0
        self.stopped = False

    def take(self, now: float) -> tuple[int, float] | None:
        """The number of the next operation, and when it is due; None when there are no more."""
        plan, number = self._plan, self._taken
        due = now if plan.rate is None else self._began + number / plan.rate
        if self.stopped or (plan.count is not None and number >= plan.count):
            return None
        if plan.duration is not None and max(due, now) >= self._began + plan.duration:
            return None
        self._taken += 1
        return number, due

    def not_begun(self, now: float) -> int:
        """How many were due by `now` under the rate, and were not taken."""
        plan = self._plan
        if plan.rate is None:
            return 0
        until = now if plan.duration is None else min(now, self._began + plan.duration)
        due = int((until - self._began) * plan.rate)
        return max(0, (due if plan.count is None else min(due, plan.count)) - self._taken)


class Run:
    """One load. `tally` may be looked at while it lasts."""

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.perf_counter) -> None:
        self._plan = plan
        self._clock = clock
        self._schedule: Schedule | None = None
        self._stopped = False
        self._waiting: set[asyncio.Future[None]] = set()  # those whose operation is not due yet
        self.tally = Tally()

    @property
    def now(self) -> float:
        """Of the clock that the tally's times are of."""
        return self._clock()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        if self._schedule is not None:
            self._schedule.stopped = True
        for waiting in self._waiting:
            _resume(waiting)

    async def run(self) -> Tally:
        """Open the connections, and do it all. Raises Trouble when not one connection can be opened."""
        opened = await asyncio.gather(
            *(self._opened() for _ in range(self._plan.connections)), return_exceptions=True
        )
        troubles = [each for each in opened if isinstance(each, BaseException)]
        if len(troubles) == len(opened):
            raise troubles[0]
        self.tally.began = self.tally.ended = self.now
        self._schedule = Schedule(self._plan, self.tally.began)
        clients = [each if isinstance(each, Client) else None for each in opened]
        await asyncio.gather(*(self._work(self._schedule, client) for client in clients))
        self.tally.ended = self.now
        self.tally.not_begun = 0 if self._schedule.stopped else self._schedule.not_begun(self.tally.ended)
        return self.tally

    async def _opened(self) -> Client:
        client = Client(self._plan.target)
        try:
            async with asyncio.timeout(self._plan.timeout):
                await client.open()
        except TimeoutError:
            raise Trouble(UNREACHABLE, "no answer in time") from None
        return client

    async def _work(self, schedule: Schedule, client: Client | None) -> None:
        """One connection's share: operations one after the other, on a new connection after trouble."""
        fresh = True  # nobody has bound on it
        while (taken := schedule.take(self.now)) is not None:
            number, due = taken
            if (ahead := due - self.now) > 0 and await self._stopped_within(ahead):
                break
            began = due if self._plan.rate is not None else self.now
            trouble = None
            try:
                async with asyncio.timeout(self._plan.timeout):
                    if client is None:
                        client, fresh = Client(self._plan.target), True
                        await client.open()
                    code = await self._operate(client, self._plan.users.at(number), fresh=fresh)
                    fresh = False
            except TimeoutError:
                trouble = Trouble(TIMEOUT)
            except Trouble as met:
                trouble = met
            seconds = self.now - began
            if trouble is None:
                self.tally.answered(code, seconds)
            else:
                self.tally.missed(trouble.kind, trouble.detail, seconds)
            if client is not None and (trouble is not None or self._plan.reconnect):
                client.close()
                client = None
            if trouble is not None and trouble.kind == UNREACHABLE:
                await asyncio.sleep(PAUSE)
        if client is not None:
            client.close()

    async def _stopped_within(self, seconds: float) -> bool:
        # One timer and no task: at thousands of operations a second a wait must not be dearer than they are.
        if not self._stopped:
            loop = asyncio.get_running_loop()
            waiting = loop.create_future()
            timer = loop.call_later(seconds, _resume, waiting)
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                timer.cancel()
                self._waiting.discard(waiting)
        return self._stopped

    async def _operate(self, client: Client, user: User, *, fresh: bool) -> int:
        """One operation: its resultCode."""
        search = self._plan.search
        if search is None:
            return await self._bind(client, user)
        if fresh:
            code = await self._bind(client, user)
            if code != ResultCode.SUCCESS:
                raise Trouble("bind before the search refused", f"resultCode {int(code)}")
        found = search.filter(user)
        code, entries = await client.search(search.base, search.scope, found, search.attributes)
        self.tally.entries += entries
        return code

    async def _bind(self, client: Client, user: User) -> int:
        if self._plan.dn is not None:
            return await client.simple(self._plan.dn(user), user.password)
        return await client.digest(user.name, user.password)


def _resume(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def punctual(connections: int) -> asyncio.AbstractEventLoop:
    """An event loop for so many connections that wakes when it is due.

    epoll rounds up to a whole millisecond, which would be told as the server's latency; select() does not, and takes
    descriptors below 1,024 only.
    """
    if connections <= MOST_SELECTED:
        return asyncio.SelectorEventLoop(selectors.SelectSelector())
    return asyncio.new_event_loop()
