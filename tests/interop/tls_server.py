"""Our own server as users run it, in the clear and in TLS, for clients that may not trust it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.server import CONTOSO, ENVIRONMENT

LISTENING = ": listening on "


@dataclass(frozen=True)
class TLSServer:
    """A running `ldapserver serve` with the Contoso domain: ldap://, ldaps:// and the file of its CA."""

    url: str
    secure_url: str
    ca: str


@contextmanager
def running_tls_server(folder: Path, *options: str) -> Iterator[TLSServer]:
    """Start it with its files in `folder`. What it says of handshakes that came to nothing is not looked at."""
    ca = folder / "ca.pem"
    command = [sys.executable, "-m", "ldapserver", "serve", "--ldif", str(CONTOSO), "--audit", str(folder / "audit")]
    command += ["--listen", "ldap://127.0.0.1:0", "--listen", "ldaps://127.0.0.1:0"]
    command += ["--tls", "auto", "--tls-ca-out", str(ca), *options]
    with subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2 + options.count("--listen"))]
        assert all(LISTENING in line for line in lines), "".join(lines) + process.stderr.read()
        # Its log must be read for the pipe not to fill up.
        log: list[str] = []
        reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
        reader.start()
        try:
            url, secure_url = (line.split()[-1] for line in lines[:2])
            yield TLSServer(url, secure_url.replace("127.0.0.1", "localhost"), str(ca))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
            reader.join()
    assert (process.returncode, "Traceback" in "".join(log)) == (0, False)
