"""What is ours alone: the price of the audit, of layers and of nonces, and whether time tells why a bind fails."""

from collections.abc import Iterator

from benchmarks import audit, layers, nonces, timing
from benchmarks.arena import USERS, Arena
from benchmarks.load import DIGEST, Load, Order
from benchmarks.process import Listening
from benchmarks.rows import Finding, Row, Section


def of_the_audit(arena: Arena) -> Iterator[Section]:
    """Binds without a record, with one, and with one on stable storage; and one record alone."""

    def load(server: Listening, connections: int) -> Load:
        return arena.drive(server, Order(DIGEST, connections, USERS, arena.seconds))

    for connections, costs in audit.cost_of_binds(USERS, arena.rounds, load).items():
        rows = tuple(Row(cost.way, cost.load, (Finding(cost.times, "x none"),)) for cost in costs)
        yield Section(f"digest, {connections} connections, by what is recorded", rows)
    record = audit.cost_of_a_record()
    findings = (
        Finding(record.writing, "µs into a file", digits=1),
        Finding(record.rendering, "µs of it words", digits=1),
    )
    yield Section("one record", (Row("4776 as JSON", findings=findings),))


def of_layers(arena: Arena) -> Iterator[Section]:
    """Wrapping, beside the hashing and sealing it can't do without."""
    rows = [
        Row(
            each.name,
            findings=(Finding(each.wrapped, "MB/s", digits=0), Finding(each.floor, "MB/s at most", digits=0)),
        )
        for each in layers.measure()
    ]
    yield Section("wrapping 64 KiB in a security layer", tuple(rows))


def of_nonces(arena: Arena) -> Iterator[Section]:
    """A million challenges."""
    book = nonces.measure()
    rows = (
        Row("nobody answers", findings=(Finding(book.unanswered, "MiB more", digits=1),)),
        Row("all do, and are remembered", findings=(Finding(book.answered, "MiB more", digits=1),)),
        Row("each", findings=(Finding(book.challenge, "µs", digits=1),)),
    )
    yield Section("a million challenges", rows)


def of_failures(arena: Arena) -> Iterator[Section]:
    """The server's time for a wrong password and for nobody's name, by what is done about the first."""
    rows = []
    for name, kind in timing.kinds().items():
        medians = timing.measure(**kind)
        findings = (
            Finding(medians.unknown_user, "µs, unknown user", digits=1),
            Finding(medians.wrong_password, "µs, wrong password", digits=1),
            Finding(medians.apart * 100, "% apart", digits=1),
        )
        rows.append(Row(name, findings=findings))
    yield Section("failures, by what is done about a wrong password", tuple(rows))
