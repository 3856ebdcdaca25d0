"""The operations under load, ours beside the peers': what each costs, and how it stands to its goals."""

from collections.abc import Iterator, Mapping

from benchmarks import goals
from benchmarks.arena import USERS, Arena, Contestant, Runs, cpu_ratio, middle, p99_ratio
from benchmarks.goals import Goal
from benchmarks.load import CONNECT_DIGEST, CONNECT_SIMPLE, DIGEST, SEARCH, SIMPLE
from benchmarks.peers.peer import Peer
from benchmarks.rows import Finding, Row, Section

CONNECTIONS = 16
CROWD = 64
MANY_USERS = 100_000


def digest(arena: Arena) -> Iterator[Section]:
    """DIGEST-MD5 binds on few and on many connections."""
    yield _beside(arena, DIGEST, goals.DIGEST_TO_SLAPD, of_ldaptor=SIMPLE, floors=True)
    yield _beside(arena, DIGEST, goals.DIGEST_TO_SLAPD, connections=CROWD, floors=True, p99=goals.P99_TO_SLAPD)


def connect(arena: Arena) -> Iterator[Section]:
    """A connection for each bind."""
    yield _beside(arena, CONNECT_DIGEST, goals.CONNECT_TO_SLAPD, of_ldaptor=CONNECT_SIMPLE)


def simple(arena: Arena) -> Iterator[Section]:
    """Simple binds by DN."""
    yield _beside(arena, SIMPLE, goals.SIMPLE_TO_SLAPD, of_ldaptor=SIMPLE)


def search(arena: Arena) -> Iterator[Section]:
    """Searches for one uid, all attributes of one entry back."""
    yield _beside(arena, SEARCH, goals.SEARCH_TO_SLAPD, of_ldaptor=SEARCH)


def users(arena: Arena) -> Iterator[Section]:
    """DIGEST-MD5 binds where there are many users."""
    few, many = (Contestant(arena.ours[0], DIGEST, CONNECTIONS, count) for count in (USERS, MANY_USERS))
    runs = arena.by_turns([few, many])
    more = Finding(cpu_ratio(runs[many], runs[few]), f"x with {USERS:,}", goals.MANY_USERS_TO_FEW)
    rows = Row(f"{USERS:,}", middle(runs[few])), Row(f"{MANY_USERS:,}", middle(runs[many]), (more,))
    yield Section(f"digest, {CONNECTIONS} connections, by the number of users", rows)


def workers(arena: Arena) -> Iterator[Section]:
    """DIGEST-MD5 binds of processes that share a port."""
    title = f"digest, {CROWD} connections, by the number of workers"
    if not arena.workers:
        yield Section(title, (), "ldapserver serve has no --workers")
        return
    contestants = [Contestant(peer, DIGEST, CROWD) for peer in arena.workers]
    runs = arena.by_turns(contestants)
    one, *others = contestants
    rows = [Row(one.peer.name, middle(runs[one]))]
    for each in others:
        more = Finding(cpu_ratio(runs[each], runs[one]), f"x {one.peer.name}", goals.WORKERS_TO_ONE)
        rows.append(Row(each.peer.name, middle(runs[each]), (more,)))
    yield Section(title, tuple(rows))


def _beside(
    arena: Arena,
    mode: str,
    to_slapd: Mapping[str, Goal],
    *,
    connections: int = CONNECTIONS,
    of_ldaptor: str | None = None,
    floors: bool = False,
    p99: Goal | None = None,
) -> Section:
    """One mode of all that know it; ldaptor does what is nearest to it."""
    contestants = {peer.name: Contestant(peer, mode, connections) for peer in arena.ours}
    if arena.slapd:
        contestants[arena.slapd.name] = Contestant(arena.slapd, mode, connections)
    if floors:
        for ours in arena.ours:
            if floor := arena.floor(ours.loop):
                contestants[floor.name] = Contestant(floor, mode, connections)
    if arena.ldaptor and of_ldaptor:
        contestants[arena.ldaptor.name] = Contestant(arena.ldaptor, of_ldaptor, connections)
    runs = arena.by_turns(list(contestants.values()))
    rows = []
    for name, contestant in contestants.items():
        asked = f" ({contestant.mode})" if contestant.mode != mode else ""
        findings = tuple(_findings(arena, contestants, runs, contestant.peer, to_slapd, p99))
        rows.append(Row(f"{name}{asked}", middle(runs[contestant]), findings))
    return Section(f"{mode}, {connections} connections", tuple(rows))


def _findings(
    arena: Arena,
    contestants: Mapping[str, Contestant],
    runs: Runs,
    peer: Peer,
    to_slapd: Mapping[str, Goal],
    p99: Goal | None,
) -> Iterator[Finding]:
    own = runs[contestants[peer.name]]
    ours = peer in arena.ours
    if arena.slapd and peer is not arena.slapd:
        slapd = runs[contestants[arena.slapd.name]]
        yield Finding(cpu_ratio(own, slapd), "x slapd", to_slapd.get(peer.loop or "") if ours else None)
        if ours and p99:
            yield Finding(p99_ratio(own, slapd), "x slapd's p99", p99)
    if not ours:
        return
    floor = arena.floor(peer.loop)
    if floor and floor.name in contestants:
        goal = goals.DIGEST_TO_FLOOR.get(peer.loop or "")
        yield Finding(cpu_ratio(own, runs[contestants[floor.name]]), f"x {floor.name}", goal)
    if arena.ldaptor and arena.ldaptor.name in contestants:
        times = cpu_ratio(runs[contestants[arena.ldaptor.name]], own)
        yield Finding(times, "x under ldaptor", goals.LDAPTOR_TO_OURS, digits=1)
