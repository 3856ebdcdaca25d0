"""A server as a service of a Twisted program, and `twist ldapserver`."""

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldap3
import pytest
from twisted.application.service import IService, IServiceMaker, MultiService
from twisted.plugin import getPlugins

from ldapserver.audit.sinks import MemorySink
from ldapserver.hosting.options import read_options
from ldapserver.testing.loop import loop
from ldapserver.twist import Options
from ldapserver.twisted_service import LDAPService
from ldapserver.url import ListenURL
from ldapserver.usage import UsageFault
from tests.interop.server import CONTOSO, ENVIRONMENT, ROOT, U1


def call(function: Any, *args: Any, **keywords: Any) -> Any:
    """In the loop of the tests, which stands for the program's."""
    return loop().call(function, *args, **keywords)


def bound(url: str) -> bool:
    connection = ldap3.Connection(ldap3.Server(url, get_info=ldap3.NONE), U1, "password")
    answer = bool(connection.bind())
    connection.unbind()
    return answer


def listens(url: str) -> bool:
    """Asked without ldap3, which leaves a socket open that could not be connected."""
    where = ListenURL.parse(url)
    try:
        socket.create_connection((where.host, where.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_listens_from_start_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved, ready, memory = tmp_path / "saved.ldif", tmp_path / "ready", MemorySink()
    service = LDAPService(
        reactor=loop().reactor,
        sinks=[memory],
        ldif=[CONTOSO],
        listen=["ldap://127.0.0.1:0", "ldap://localhost:0"],
        save=saved,
        ready_file=ready,
    )
    assert IService.providedBy(service)
    assert service.urls == []
    program = MultiService()  # type: ignore[no-untyped-call]
    service.setServiceParent(program)  # type: ignore[no-untyped-call]
    call(program.startService)
    assert len(service.urls) == 2
    assert ready.read_text() == "".join(f"{url}\n" for url in service.urls)
    url = service.urls[0]
    assert bound(url)
    assert len(memory.records) == 1
    call(program.stopService)
    assert service.urls == []
    assert not ready.exists()
    assert b"uid=u1," in saved.read_bytes()
    assert not listens(url)
    with pytest.raises(RuntimeError, match="is over"):
        call(service.startService)
    assert not list(tmp_path.glob("audit*"))


def test_it_stops_though_it_never_started(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    service = LDAPService(reactor=loop().reactor, audit=audit)
    call(service.stopService)
    again = LDAPService(reactor=loop().reactor, audit=audit)  # nobody holds the log any more
    call(again.stopService)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"ldiff": "x"}, "ldiff: no such option"),
        ({"ldif": "/nowhere.ldif"}, "argument --ldif: /nowhere.ldif: No such file or directory"),
        ({"listen": "ldap://192.0.2.1:0"}, "argument --listen: ldap://192.0.2.1:0: others can reach this address"),
    ],
    ids=str,
)
def test_what_is_wrong_is_raised_when_it_is_made(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=f"^{error}"):
        LDAPService(reactor=loop().reactor, sinks=[MemorySink()], **settings)


@pytest.mark.parametrize("start", ["startService", "privilegedStartService"])
def test_an_address_that_is_taken_leaves_nothing_behind(tmp_path: Path, start: str) -> None:
    first = LDAPService(reactor=loop().reactor, sinks=[MemorySink()], listen="ldap://127.0.0.1:0")
    call(first.startService)
    audit = str(tmp_path / "audit.jsonl")
    listen = ["--listen", "ldap://127.0.0.1:0", "--listen", first.urls[0], "--audit", audit]
    second = LDAPService.of_options(read_options(listen), reactor=loop().reactor)
    with pytest.raises(UsageFault, match="Address already in use"):
        call(getattr(second, start))
    assert (second.urls, second.running) == ([], 0)
    call(LDAPService(reactor=loop().reactor, audit=audit).stopService)
    call(first.stopService)


def test_a_ready_file_that_cannot_be_written_stops_it(tmp_path: Path) -> None:
    service = LDAPService(
        reactor=loop().reactor,
        sinks=[MemorySink()],
        listen="ldap://127.0.0.1:0",
        ready_file=tmp_path / "none" / "ready",
    )
    call(service.privilegedStartService)
    (url,) = service.urls
    with pytest.raises(UsageFault, match=r"^argument --ready-file: "):
        call(service.startService)
    assert not listens(url)


def test_it_saves_and_opens_its_log_again_when_it_is_told(tmp_path: Path) -> None:
    saved, audit = tmp_path / "saved.ldif", tmp_path / "audit.jsonl"
    service = LDAPService(reactor=loop().reactor, ldif=CONTOSO, listen="ldap://127.0.0.1:0", audit=audit, save=saved)
    call(service.startService)
    audit.rename(tmp_path / "old.jsonl")
    call(service.renew)
    assert bound(service.urls[0])
    assert len(audit.read_text().splitlines()) == 1
    with heard("saved in") as said:
        call(service.save)
        assert said.wait(30)
    assert b"uid=u1," in saved.read_bytes()
    call(service.stopService)


@contextmanager
def heard(text: str) -> Iterator[threading.Event]:
    """Set once our log has said it."""
    said = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                said.set()

    listener, logger = Listener(), logging.getLogger("ldapserver")
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    try:
        yield said
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)


def test_twisted_finds_the_plugin() -> None:
    plugins: list[Any] = list(getPlugins(IServiceMaker))
    (ours,) = [plugin for plugin in plugins if plugin.tapname == "ldapserver"]
    assert (ours.module, ours.options) == ("ldapserver.twist", Options)


TWIST = [sys.executable, "-m", "twisted", "--log-format=text"]


@contextmanager
def twist(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*TWIST, *options], cwd=folder, env=ENVIRONMENT, stdout=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()  # one that ended has nothing against it


def line_with(process: "subprocess.Popen[str]", text: str) -> str:
    """The rest of the next line of its output that has the text."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line.partition(text)[2].strip()
    raise AssertionError(f"it ended without {text!r}")


def test_twist_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    options = ["ldapserver", "--ldif", str(CONTOSO), "--listen", "ldap://127.0.0.1:0", "--ready-file", str(ready)]
    with twist(tmp_path, *options, "--save", "saved.ldif") as process:
        url = line_with(process, "[ldapserver#info] listening on ")
        line_with(process, "Starting reactor")
        assert ready.read_text() == f"{url}\n"
        assert bound(url)
        (tmp_path / "audit.jsonl").rename(tmp_path / "old.jsonl")
        process.send_signal(signal.SIGHUP)
        line_with(process, "audit.jsonl: opened again")
        assert bound(url)
        process.send_signal(signal.SIGUSR1)
        line_with(process, "saved in saved.ldif")
        process.terminate()
        output, error = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM  # Twisted's own way: as the signal would have ended it
    assert error == ""
    assert "Traceback" not in output
    assert "saved in saved.ldif" in output
    assert [json.loads((tmp_path / name).read_text())["event"]["code"] for name in ("old.jsonl", "audit.jsonl")] == [
        "4776",
        "4776",
    ]
    assert not ready.exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--nothing"], "unrecognized arguments: --nothing"),
        (["--ldif", "none.ldif"], "argument --ldif: none.ldif: No such file or directory"),
        (["--audit", "-"], "argument --audit: -: Twisted logs there: say twist --log-file=FILE ldapserver ..."),
        (
            ["--listen", "ldap://127.0.0.1:0", "--ready-file", "none/ready"],
            "argument --ready-file: none/ready: No such",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_twist_says_in_one_line_what_is_wrong(tmp_path: Path, options: list[str], error: str) -> None:
    with twist(tmp_path, "ldapserver", *options) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (2, "")
    assert errors.startswith(f"twist ldapserver: {error}")
    assert errors.count("\n") == 1


def test_twist_has_our_help(tmp_path: Path) -> None:
    with twist(tmp_path, "ldapserver", "--help") as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("usage: twist ldapserver [-h] [--config FILE]")
    assert "--lockout-threshold N" in output


def test_a_log_elsewhere_leaves_standard_output_to_the_audit(tmp_path: Path) -> None:
    options = ["--log-file=+", "ldapserver", "--ldif", str(CONTOSO), "--listen", "ldap://127.0.0.1:0", "--audit", "-"]
    with twist(tmp_path, *options) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "listening on " in line:
                assert bound(line.partition("listening on ")[2].strip())
                break
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert json.loads(output)["event"]["code"] == "4776"


def test_the_plugin_is_installed_as_a_module_in_the_folder_of_twisted() -> None:
    assert "twisted.plugins.ldapserver_plugin" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
    # A package of that name here would take the place of Twisted itself.
    assert not list((ROOT / "twisted").rglob("__init__.py"))
