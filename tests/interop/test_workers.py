"""Several workers and Cyrus SASL's client, which comes back in one round trip, to whichever worker it may be."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.interop.conftest import absent
from tests.interop.server import CONTOSO, ENVIRONMENT, U1, run
from tests.interop.test_layers import CLIENTS

BINDS = 24  # that all come to one of two workers once in eight million runs


def test_who_comes_back_to_another_worker_is_let_in(tmp_path: Path) -> None:
    if find_spec("ldap") is None:
        absent("python-ldap")
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(CONTOSO), "--workers", "2"]
    command += ["--remember", "1h", "--listen", "ldap://127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        url = process.stderr.readline().rpartition(" ")[2].strip().replace("127.0.0.1", "localhost")
        done = run(sys.executable, str(CLIENTS / "again.py"), url, "0", *["password"] * BINDS)
        process.terminate()
        process.stderr.read()
    assert (process.returncode, *done) == (0, 0, f"dn:{U1}\n" * BINDS, "")
    logs = [(tmp_path / f"audit.{worker}.jsonl").read_text().splitlines() for worker in (1, 2)]
    assert all(logs)
    told = [(record["event"]["code"], record["ldap"]["reason"]) for log in logs for record in map(json.loads, log)]
    assert told.count(("4776", None)) == BINDS
    assert ("sasl-exchange", "nonce-foreign") in told
    # One that comes back to a worker after it was at the other has another nonce by then, and is no replay.
    assert {code for code, reason in told if reason is not None} == {"sasl-exchange"}
