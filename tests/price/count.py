"""What an operation costs, counted: the bytecodes that Python carries out for it, by function.

    python -m tests.price.count             what each costs now, beside its price
    python -m tests.price.count --write     makes that the price

A count is the same on every machine, busy or not; a time is not. What is done within one call into C is one bytecode
here, however long it takes: that is for `make bench`.
"""

import argparse
import gc
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import ldapserver
import sasl_digest
from tests.price.operations import (
    ANSWERS,
    BEFORE,
    COUNTED,
    DIGEST_FIRST,
    DIGEST_SECOND,
    SEARCH,
    SIMPLE,
    Conversation,
    conversation,
)

ROOT = Path(__file__).parents[2]
OPERATIONS = (DIGEST_FIRST, DIGEST_SECOND, SIMPLE, SEARCH)
# Compilers of other versions make other bytecodes of the same lines, up to a fifth more or fewer, and not in the same
# proportion everywhere: so each version has prices of its own.
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PRICES = Path(__file__).with_name("prices.json")

ROOM = 0.03  # a part of the price: what a change may cost without a word about it

Count = Mapping[str, float]  # bytecodes, by function


def counted(work: Callable[[bytes], object], octets: bytes) -> Counter[str]:
    """The bytecodes that Python carries out until `work` is done with these octets, by function."""
    bytecodes: Counter[CodeType] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:  # itself, of whose type there is no end
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            bytecodes[frame.f_code] += 1
        return trace

    collecting, tracing = gc.isenabled(), sys.gettrace()
    gc.disable()  # what others want to be told of a collection is no part of it
    sys.settrace(trace)
    try:
        work(octets)
    finally:
        sys.settrace(tracing)
        if collecting:
            gc.enable()
    found: Counter[str] = Counter()
    for code, many in bytecodes.items():
        found[f"{_place(Path(code.co_filename))}:{code.co_qualname}"] += many
    return found


def _place(file: Path) -> str:
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else "/".join(file.parts[-2:])


def cost(client: Conversation, name: str) -> Count:
    """The mean of an operation, by function. Raises AssertionError if the answer is not the one that is due."""
    total: Counter[str] = Counter()
    for turn in range(BEFORE + 1):
        for user in COUNTED:
            request = client.of(name, user)
            if turn < BEFORE:
                client.turn(request)
            else:
                total += counted(client.turn, request)
            assert ANSWERS[name] in client.wire.written, (name, client.wire.written)
    return {function: round(many / len(COUNTED), 1) for function, many in total.items()}


def costs(*, logs: int) -> dict[str, Count]:
    """Of each operation, on a server with so many logs."""
    with tempfile.TemporaryDirectory() as folder, conversation(Path(folder), logs=logs) as client:
        return {name: cost(client, name) for name in OPERATIONS}


def prices() -> dict[str, Count] | None:
    """Of each operation, for this version of Python; None if it has none."""
    found: dict[str, dict[str, Count]] = json.loads(PRICES.read_text()) if PRICES.exists() else {}
    return found.get(VERSION)


def dearer(name: str, price: Count, now: Count, *, room: float = ROOM) -> str | None:
    """What to say of an operation that costs more than its price and some room: by how much, and which functions."""
    before, after = sum(price.values()), sum(now.values())
    if after <= before * (1 + room):
        return None
    grown = {each: now.get(each, 0) - price.get(each, 0) for each in {*price, *now}}
    said = [f"{name}: {after:,.0f} bytecodes, of which {before:,.0f} have a reason ({after / before - 1:+.1%}):"]
    for function, more in sorted(grown.items(), key=lambda each: (-each[1], each[0])):
        if more > 0:
            said.append(f"  {more:+8,.0f}  {function}  ({price.get(function, 0):,.0f} before)")
    return "\n".join(said)


def compiled() -> bool:
    """Whether modules of ours are compiled to C: of those there is nothing to count."""
    folders = (Path(str(package.__file__)).parent for package in (sasl_digest, ldapserver))
    return any(path.name.endswith(tuple(EXTENSION_SUFFIXES)) for folder in folders for path in folder.rglob("*"))


def main() -> None:
    """Print what each operation costs and what it did, or write it down."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.price.count", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="make what it costs now the price")
    parser.add_argument("--json", action="store_true", help="print counts by function, as prices.json has them")
    parser.add_argument("--logs", type=int, default=1, metavar="N", help="that each bind is recorded in (default: 1)")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="the N dearest of each (default: none)")
    options = parser.parse_args()
    if compiled():
        parser.exit(2, "modules of ours are compiled: there is nothing to count\n")
    now, due = costs(logs=options.logs), prices() or {}
    if options.json:
        print(json.dumps(now, indent=1, sort_keys=True))
        return
    for name, functions in now.items():
        total, price = sum(functions.values()), sum(due.get(name, {}).values())
        beside = f"{price:8,.0f} {total / price - 1:+8.1%}" if price else f"{'-':>8}"
        print(f"{name:28} {total:8,.0f} {beside}")
        for function, many in sorted(functions.items(), key=lambda each: -each[1])[: options.functions]:
            print(f"  {many:8,.1f} {function}")
    if options.write:
        versions = json.loads(PRICES.read_text()) if PRICES.exists() else {}
        PRICES.write_text(json.dumps({**versions, VERSION: now}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
