"""Plays the scenarios against Samba's domain controller, and writes down what it answered.

    unshare --net python -m tests.interop.samba tests/vectors/samba_account_states.json

as root, with Debian's samba-ad-dc, samba-ad-provision and ldb-tools installed: a throw-away domain is made in a
temporary folder, its server runs on the ports 389 and 636 of a network of its own, and both are gone at the end. It
takes about a minute, for lockouts are waited for. The suite does not need it: it reads what was written.
"""

import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ldapserver.wire.codec import decode, encode
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.framing import Framer
from ldapserver.wire.messages import (
    AddRequest,
    BindRequest,
    Change,
    DerefAliases,
    LDAPMessage,
    LDAPResult,
    ModifyOperation,
    ModifyRequest,
    Operation,
    PartialAttribute,
    Scope,
    SearchRequest,
    SearchResultEntry,
    SimpleAuthentication,
)
from tests.server.account_scenarios import LONG_AGO, SCENARIOS, Result, play
from tests.server.domain import BASE

ADMIN, PASSWORD = "CONTOSO\\Administrator", "Adm1n.Pass"


class Connection:
    """One connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        if port == 636:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._socket = context.wrap_socket(self._socket)
        self._framer = Framer(1 << 24)
        self._last = 0

    def ask(self, operation: Operation) -> list[Operation]:
        """What is answered, the result last."""
        self._last += 1
        self._socket.sendall(encode(LDAPMessage(self._last, operation)))
        answers: list[Operation] = []
        while not answers or not isinstance(answers[-1], LDAPResult):
            element = self._framer.next()
            if element is None:
                data = self._socket.recv(1 << 16)
                assert data, "the server hung up"
                self._framer.feed(data)
            else:
                answers.append(decode(element).operation)
        return answers

    def result(self, operation: Operation) -> Result:
        """The code and the text of the answer."""
        last = self.ask(operation)[-1]
        assert isinstance(last, LDAPResult)
        return Result(int(last.result_code), last.diagnostic_message)

    def close(self) -> None:
        self._socket.close()


class Samba:
    """The domain of a running server: an administrator's connection inside TLS, one in the clear for each bind."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "private" / "sam.ldb.d" / "DC=CONTOSO,DC=COM.ldb"
        self._admin = Connection(636)
        bound = self._admin.result(BindRequest(3, ADMIN, SimpleAuthentication(PASSWORD.encode())))
        assert bound.code == 0, bound

    def ask(self, request: AddRequest | ModifyRequest) -> Result:
        return self._admin.result(request)

    def read(self, dn: str, attributes: Sequence[str]) -> dict[str, bytes]:
        never = DerefAliases.NEVER_DEREF_ALIASES
        request = SearchRequest(
            dn, Scope.BASE_OBJECT, never, 0, 0, False, parse_filter("(objectClass=*)"), tuple(attributes)
        )
        entry, _ = self._admin.ask(request)
        assert isinstance(entry, SearchResultEntry)
        return {each.type: each.values[0] for each in entry.attributes}

    def bind(self, name: str, password: str) -> Result:
        connection = Connection(389)
        try:
            return connection.result(BindRequest(3, name, SimpleAuthentication(password.encode())))
        finally:
            connection.close()

    def age(self, dn: str) -> None:
        # pwdLastSet is written by nobody but for 0 and -1: it goes into the database, past Samba's modules.
        changes = f"dn: {dn}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {LONG_AGO}\n"
        subprocess.run(
            ["ldbmodify", "-H", str(self._database)], input=changes.encode(), check=True, stdout=subprocess.DEVNULL
        )

    def close(self) -> None:
        self._admin.close()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """A new domain in this folder, and its server."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    provision = ["samba-tool", "domain", "provision", "--realm=CONTOSO.COM", "--domain=CONTOSO", "--host-name=dc1"]
    provision += ["--server-role=dc", "--dns-backend=NONE", "--host-ip=127.0.0.1", f"--adminpass={PASSWORD}"]
    provision += [f"--targetdir={folder}", "--option=vfs objects="]
    with (folder / "provision.log").open("wb") as log:
        subprocess.run(provision, check=True, stdout=log, stderr=log)
    configuration = folder / "etc" / "smb.conf"
    text = re.sub(r"(?m)^\s*(server services|log file) = .*\n", "", configuration.read_text())
    ours = ["server services = ldap", "ldap server require strong auth = no", "interfaces = lo"]
    ours += ["old password allowed period = 0"]  # else the password before this one is as good for an hour
    ours += ["bind interfaces only = yes", f"pid directory = {folder}", f"ncalrpc dir = {folder}/ncalrpc"]
    configuration.write_text(text.replace("[global]", "\n\t".join(["[global]", *ours]), 1))
    command = ["samba", "-F", "--no-process-group", "-M", "single", "-s", str(configuration), "--debug-stdout"]
    with (folder / "samba.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(636)
            yield
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.2)
    raise TimeoutError(f"nobody listens on port {port}")


def main(path: str) -> None:
    """Play everything, and write what came of it."""
    if len(socket.if_nameindex()) > 1:
        raise SystemExit("run it by `unshare --net`: Samba has fixed ports")
    version = subprocess.run(["samba", "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    answers = {}
    with TemporaryDirectory() as folder, running(Path(folder)):
        domain = Samba(Path(folder))
        eased = [
            Change(ModifyOperation.REPLACE, PartialAttribute(name, (b"0",)))
            for name in ("pwdProperties", "minPwdAge", "minPwdLength")
        ]
        assert domain.ask(ModifyRequest(BASE, tuple(eased))).code == 0
        text = domain.bind("nobody@contoso.com", "x").text
        for number, scenario in enumerate(SCENARIOS):
            answers[scenario.name] = play(domain, number, scenario)
        domain.close()
    lines = [
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(each) for each in told) + "\n]"
        for name, told in answers.items()
    ]
    beginning = f'{{"samba": {json.dumps(version)}, "text": {json.dumps(text)}, "scenarios": {{\n'
    Path(path).write_text(beginning + ",\n".join(lines) + "\n}}\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
