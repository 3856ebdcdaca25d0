"""What `ldapserver events` takes for many records: a summary, and a table, of a log made for it.

python -m benchmarks.events [RECORDS]     default: a million, 1.3 GB in the folder of temporary files
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.server.generated_logs import binds, lines


def main() -> None:
    """Make the log, and read it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=int, nargs="?", default=1_000_000)
    count = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "audit.jsonl")
        with log.open("wb") as file:
            file.writelines(lines(binds(count)))
        print(f"{count:,} records, {log.stat().st_size / 1e6:,.0f} MB")
        for what in (("--summary",), ("--status", "wrong-password"), ()):
            wall, cpu = _timed(log, *what)
            print(
                f"{' '.join(what) or 'table':24} {wall:6.1f} s, {cpu:6.1f} s of CPU, {cpu / count * 1e6:5.1f} µs each"
            )
        print(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000:,.0f} MB at most")


def _timed(log: Path, *options: str) -> tuple[float, float]:
    begun, before = time.monotonic(), os.times()
    command = [sys.executable, "-m", "ldapserver", "events", str(log), *options]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begun, used


if __name__ == "__main__":
    main()
