"""A bind costs no more work than it has a reason to: bytecodes counted against `prices.json`, never a clock.

Who makes an operation dearer for a good reason, or cheaper, writes the new price:
`python -m tests.price.count --write`.
"""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from tests.price.count import OPERATIONS, ROOM, ROOT, VERSION, Count, compiled, counted, dearer, prices

pytestmark = pytest.mark.skipif(compiled(), reason="modules of ours are compiled: there is nothing to count")


@cache
def costs(*, seed: int = 0, logs: int = 1) -> dict[str, Count]:
    """Of a process of its own, for in this one pytest has put more into our assertions."""
    command = [sys.executable, "-m", "tests.price.count", "--json", "--logs", str(logs)]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    found: dict[str, Count] = json.loads(subprocess.check_output(command, cwd=ROOT, env=environment, timeout=60))
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_costs_its_price(name: str) -> None:
    due = prices()
    if due is None:
        pytest.skip(f"there are no prices for Python {VERSION}: python -m tests.price.count --write")
    said = dearer(name, due[name], costs()[name])
    assert not said, f"\n{said}\nif it has to be: python -m tests.price.count --write"


def test_a_count_is_the_same_whatever_the_order_of_sets() -> None:
    assert costs(seed=1) == costs()


def test_more_work_is_seen_and_named() -> None:
    more = costs(logs=2)  # a second log is what a bind has to write besides
    for name in OPERATIONS:
        said = dearer(name, costs()[name], more[name], room=0)
        if "second" in name or "simple" in name:
            assert said is not None
            assert "ldapserver/audit/file.py:FileSink." in said
        else:
            assert said is None, said


def test_what_is_counted() -> None:
    def loop(octets: bytes) -> None:
        for _ in octets:
            pass

    one, two, three = (sum(counted(loop, bytes(size)).values()) for size in (10, 20, 30))
    assert three - two == two - one >= 20
    before = sys.gettrace()
    with pytest.raises(TypeError):
        counted(loop, None)  # type: ignore[arg-type]
    assert sys.gettrace() is before


def test_some_room_and_who_has_grown() -> None:
    price = {"a.py:f": 90.0, "a.py:g": 10.0}
    assert dearer("bind", price, {"a.py:f": 90.0 + 100 * ROOM, "a.py:g": 10.0}) is None
    assert dearer("bind", price, {"a.py:f": 80.0, "a.py:g": 15.0, "b.py:h": 9.0}) == (
        "bind: 104 bytecodes, of which 100 have a reason (+4.0%):\n"
        "        +9  b.py:h  (0 before)\n"
        "        +5  a.py:g  (10 before)"
    )
