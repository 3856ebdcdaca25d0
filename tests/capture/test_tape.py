"""A tape: what it gives back, and what it forgets."""

from ldapserver.capture.conversation import End, Piece
from ldapserver.capture.tape import Tape


def taped(most: int | None, *sizes: int) -> Tape:
    """Connections 1 and 2 in turn, of pieces of these sizes."""
    tape = Tape(most)
    for number in (1, 2):
        tape.begin(number, 0.0, f"client:{number}", "server:389", True)
    for at, size in enumerate(sizes):
        tape.add(1 + at % 2, Piece(float(at), True, bytes(size)))
    return tape


def sizes(tape: Tape) -> dict[str, list[int]]:
    return {each.client: [len(piece.data) for piece in each.pieces] for each in tape.conversations()}


def test_the_oldest_is_forgotten_once_there_is_too_much() -> None:
    assert sizes(taped(None, 1000, 2000, 3000, 4000)) == {"client:1": [1000, 3000], "client:2": [2000, 4000]}
    tape = taped(8000, 1000, 2000, 3000, 4000)
    assert sizes(tape) == {"client:1": [3000], "client:2": [4000]}
    assert tape.forgotten == 2
    # What is left is from the middle of a connection.
    assert [each.begun for each in tape.conversations()] == [False, False]


def test_small_pieces_count_with_what_they_take() -> None:
    tape = taped(100_000, *[1] * 10_000)
    assert sum(len(pieces) for pieces in sizes(tape).values()) < 1000


def test_the_newest_stays_however_large_it_is() -> None:
    assert sizes(taped(100, 1000, 2000)) == {"client:1": [], "client:2": [2000]}


def test_a_connection_that_is_over_goes_with_the_last_of_what_it_said() -> None:
    tape = taped(8000, 1000)
    tape.over(1)
    tape.over(2)  # nothing was said
    assert sizes(tape) == {"client:1": [1000]}
    tape.begin(3, 0.0, "client:3", "server:389", True)
    tape.add(3, Piece(1.0, True, bytes(8000)))
    assert sizes(tape) == {"client:3": [8000]}
    tape.over(1)  # of which nothing is known any more


def test_who_is_there_when_all_is_forgotten_goes_on() -> None:
    tape = taped(8000, 1000, 2000)
    tape.end(1, 2.0, True, End.CLOSED)
    tape.over(1)
    tape.clear()
    tape.add(2, Piece(3.0, False, b"more"))
    assert [(each.client, each.begun) for each in tape.conversations()] == [("client:2", False)]
    assert sizes(tape) == {"client:2": [4]}
