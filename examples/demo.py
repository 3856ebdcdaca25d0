"""The main job on real data: `ldapserver` on a free port, three binds by `ldp`, and the records they left.

make demo     three transcripts and their 4776 records; exit status 0 only if each came out as it should
make serve    leaves the same server running, and prints commands to try
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent

# What is typed, the exit status that is due, and the Status of the 4776 record that is due.
BINDS = (
    ("the right password", "u1", "password", 0, "0x0"),
    ("a wrong password", "u1", "letmein", 49, "0xc000006a"),
    ("a name that nobody has", "nobody", "password", 49, "0xc0000064"),
)
TO_TRY = """
Try, in another terminal:
  {ldp} bind {url} -u u1 -d CONTOSO -p password
  {ldp} bind {url} -u jürgen -p pässwörd
  ldapwhoami -H {url} -Q -Y DIGEST-MD5 -U u1 -w password
  ldapsearch -H {url} -x -D uid=u1,ou=people,dc=contoso,dc=com -w password -b dc=contoso,dc=com '(mail=*)' cn mail
  {ldapserver} events --follow {audit}
Ctrl-C stops the server.
"""


@contextlib.contextmanager
def server(audit: Path, listen: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A running `ldapserver serve` with the Contoso domain; its URL, and its process."""
    folder = tempfile.TemporaryDirectory()
    ready = Path(folder.name, "ready")
    command = [str(BIN / "ldapserver"), "serve", "--ldif", str(HERE / "contoso.ldif"), "--listen", listen]
    command += ["--audit", str(audit), "--ready-file", str(ready), "--admin", "uid=admin,ou=people,dc=contoso,dc=com"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("demo: the server did not start")
            time.sleep(0.01)
        yield ready.read_text().strip(), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
        folder.cleanup()


def demo(console: Console) -> int:
    """Bind three times and show what happened; 0 when all of it is as it should be."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder, "audit.jsonl")
        with server(audit, "ldap://127.0.0.1:0") as (url, _):
            for what, user, password, due, _ in BINDS:
                command = ["ldp", "bind", url, "-u", user, "-d", "CONTOSO", "-p", password]
                console.rule(f"[bold]{what}", align="left")
                console.print("$ " + " ".join(command), markup=False, highlight=False)
                ended = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, check=False)
                console.print(ended.stdout + ended.stderr, markup=False, highlight=False, soft_wrap=True, end="")
                as_due = ended.returncode == due
                good &= as_due
                console.print(f"exit status {ended.returncode}" + ("" if as_due else f", {due} was due"), end="\n\n")
            read = ["ldapserver", "events", str(audit)]
            console.rule("[bold]what the audit says: one event 4776 a bind", align="left")
            console.print("$ " + " ".join(read), markup=False, highlight=False, soft_wrap=True)
            good &= subprocess.run([BIN / read[0], *read[1:]], check=False).returncode == 0
            console.print()
        records = [json.loads(line) for line in audit.read_text().splitlines()]
    verdicts = [record for record in records if record["event"]["code"] == "4776"]
    good &= [record["winlog"]["event_data"]["Status"] for record in verdicts] == [status for *_, status in BINDS]
    console.print("Each came out as it should." if good else "NOT as it should be.")
    return 0 if good else 1


def serve(console: Console) -> int:
    """Leave the server running until Ctrl-C."""
    audit = Path("audit.jsonl")
    with server(audit, "ldap://127.0.0.1:3890") as (url, process):
        ldp, ldapserver = (os.path.relpath(BIN / name) for name in ("ldp", "ldapserver"))
        text = TO_TRY.format(url=url, audit=audit, ldp=ldp, ldapserver=ldapserver)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
    return 0


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="leave the server running")
    # Whoever ends us ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    console = Console()
    return serve(console) if parser.parse_args().serve else demo(console)


if __name__ == "__main__":
    sys.exit(main())
