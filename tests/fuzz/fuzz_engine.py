"""Coverage-guided fuzzing with atheris of the targets in targets.py; `make soak` runs it.

    python -m tests.fuzz.fuzz_engine SECONDS [TARGET...]     each target in turn, in its share of the time
    python -m tests.fuzz.fuzz_engine --one TARGET [libFuzzer's options and folders]

What it finds it leaves in tests/fuzz/regressions/TARGET, where test_regressions.py plays it from then on, and exits
with a status other than 0. What it learnt on the way stays in build/fuzz/TARGET for the next run.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEARNT = ROOT / "build" / "fuzz"
MAX_LENGTH = 5000  # octets, of an input: more than a digest-response may have
SLOW = 5  # seconds that no input may take
MEMORY = 1024  # MiB, of the whole process


def fuzz(arguments: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    target, *options = arguments
    # Every branch counted that the packages have, and none of the tests'.
    with atheris.instrument_imports(include=["sasl_digest", "ldapserver"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(["fuzz_engine", *options], TARGETS[target])
    atheris.Fuzz()


def run(target: str, seconds: int) -> bool:
    """Fuzz one target for so long in a process of its own, from its seeds and what was learnt; print how it went."""
    from tests.fuzz.seeds import seeds, words

    learnt, start, found = LEARNT / target, LEARNT / f"{target}.seeds", HERE / "regressions" / target
    for folder in (learnt, start, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(seeds(target)):
        (start / f"{number:03}").write_bytes(octets)
    command = [sys.executable, "-m", "tests.fuzz.fuzz_engine", "--one", target, f"-max_total_time={seconds}"]
    command += [f"-max_len={MAX_LENGTH}", f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}", "-print_final_stats=1"]
    if words(target):
        dictionary = LEARNT / f"{target}.dict"
        escaped = ["".join(f"\\x{octet:02x}" for octet in word) for word in words(target)]
        dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
        command.append(f"-dict={dictionary}")
    command += [f"-artifact_prefix={found}/", str(learnt), str(start), str(found)]
    ended = subprocess.run(command, cwd=ROOT, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, check=False)
    output = ended.stdout.decode("utf-8", "replace")
    executed = re.search(r"number_of_executed_units: ([0-9]+)", output)
    coverage = re.findall(r" cov: ([0-9]+) ", output)
    if ended.returncode == 0 and executed is not None and int(executed[1]) > 0 and coverage:
        print(f"{target}: {executed[1]} inputs in {seconds} s, {coverage[-1]} branches, nothing found", flush=True)
        return True
    print(output[-4000:])
    print(f"{target}: exit status {ended.returncode}; the input is in {found.relative_to(ROOT)}", flush=True)
    return False


def main(arguments: list[str]) -> int:
    """Run all targets or some; 0 when nothing was found."""
    from tests.fuzz.targets import TARGETS

    chosen = arguments[1:] or list(TARGETS)
    share = max(1, int(arguments[0]) // len(chosen))
    # All of them, whatever the first ones find.
    held = [run(target, share) for target in chosen]
    return 0 if all(held) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
