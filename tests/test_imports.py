"""Which way the arrows point: who may import what, read off the sources and seen in a fresh interpreter.

1. `sasl_digest` imports the standard library; `ciphers` and `end_point` alone cryptography, `saslprep`
   alone passlib (libpass), `ldap3` alone ldap3.
2. Twisted is imported by the modules in `KNOW_TWISTED` only.
3. Of the server, each package in `LAYERS` imports what stands there and no more, and each in `IMPORTERS` is imported
   by who stands there and nobody else; `cli` is imported by nobody.
4. What explains failed digests is imported by nothing that decides about one.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import ldapserver

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "sasl_digest.ciphers": "cryptography",
    "sasl_digest.end_point": "cryptography",
    "sasl_digest.saslprep": "passlib",
    "sasl_digest.ldap3": "ldap3",
}
KNOW_TWISTED = {"ldapserver.protocol", "ldapserver.handshake", "ldapserver.testing"}
KNOW_TWISTED |= {"ldapserver.cli.serve", "ldapserver.hosting.scraping", "ldapserver.hosting.listeners"}
KNOW_TWISTED |= {"ldapserver.hosting.inheriting", "ldapserver.hosting.loops", "ldapserver.hosting.sockets"}
KNOW_TWISTED |= {"ldapserver.twisted_service", "ldapserver.twist"}
KNOW_TWISTED |= {"ldapserver.capture.listening", "ldapserver.capture.proxy", "ldapserver.capture.replay_protocol"}
KNOW_TWISTED |= {"ldapserver.cli.record", "ldapserver.cli.until_signal"}
# Of `ldapserver`, what each package may import beside itself: arrows point down.
LAYERS: dict[str, set[str]] = {
    "clock": set(),
    "printable": set(),
    "suspension": set(),
    "terminal": set(),
    "url": set(),
    "usage": set(),
    "whole_file": set(),
    "wire": {"errors"},
    "directory": {"clock", "errors", "wire"},
    "audit": {"suspension", "wire"},
    "viewer": {"audit", "clock", "printable", "terminal"},
    "metrics": {"audit", "config", "wire"},
    "controls": {"errors", "wire"},
    "capture": {"certificates", "directory", "errors", "handshake", "printable", "url", "usage", "wire"},
    "faults": {"access", "bind", "certificates", "channel", "directory", "errors", "passwords", "sasl", "service"}
    | {"session", "stream", "suspension", "wire"},
    "hosting": {"asyncio_protocol", "audit", "certificates", "clock", "config", "connections", "directory", "faults"}
    | {"handshake", "logons", "metrics", "poller", "protocol", "service", "terminal", "url", "usage", "whole_file"}
    | {"wire"},
    "twisted_service": {"audit", "directory", "hosting", "usage"},
    "twist": {"hosting", "twisted_service", "usage"},
    "pytest_plugin": {"faults", "testing"},
}
# By whom of `ldapserver` these may be imported: what is for tests, clients and recordings is in nobody's way.
IMPORTERS: dict[str, set[str]] = {
    "cli": {"__main__"},
    "testing": {"pytest_plugin"},
    "capture": {"cli", "testing"},
    "viewer": {"cli", "testing"},
    "hosting": {"cli", "testing", "twist", "twisted_service"},
    "faults": {"hosting", "pytest_plugin", "service", "stream", "testing"},
    "explaining": {"cli", "extended", "root_dse", "service"},
}
# What must stay usable without Twisted, directly and through all it imports: everything but the edge.
EDGE = (*KNOW_TWISTED, "ldapserver.cli", "ldapserver.hosting", "ldapserver.__main__", "ldapserver.pytest_plugin")


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """The modules of `package` by name."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


SOURCES = dict([*modules("sasl_digest"), *modules("ldapserver")])
ENGINE = {name for name, _ in modules("sasl_digest")}


@cache
def imported(module: str) -> set[str]:
    """Every module that `module` names in an import, wherever it stands: at the top, in a function, for the types."""
    path = SOURCES[module]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            # `from package import name` may name a module
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in SOURCES}
    return found


def within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def loaded(*names: str) -> set[str]:
    """The modules that a fresh interpreter has after importing `names` and had not before."""
    program = (
        "import importlib, json, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "before = set(sys.modules)\n"
        "for name in sys.argv[2:]: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(ROOT), *names], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def outside_the_standard_library(found: Iterable[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in found}
    # a compiled wheel has one library more, of which its modules are
    return {top for top in tops - {"sasl_digest__mypyc"} if top not in sys.stdlib_module_names and top[0] != "_"}


def test_imports_are_seen_in_every_form() -> None:
    found = imported("sasl_digest.client")
    assert {"enum", "collections.abc", "sasl_digest.digest", "sasl_digest.messages"} <= found
    assert "sasl_digest.grammar" not in found


def importers(*packages: str) -> set[str]:
    """The modules that import one of these, or something in them."""
    return {module for module in SOURCES if any(within(name, packages) for name in imported(module))}


def test_engine_imports_the_standard_library_and_itself() -> None:
    assert len(ENGINE) > 10
    for module in ENGINE:
        allowed = {library for package, library in MAY_IMPORT.items() if within(module, [package])}
        assert outside_the_standard_library(imported(module)) <= {"sasl_digest"} | allowed, module


def test_engine_does_not_know_its_ldap3_adapter() -> None:
    knowing = importers("sasl_digest.ldap3")
    assert {module for module in knowing & ENGINE if not within(module, ["sasl_digest.ldap3"])} == set()


def test_twisted_is_imported_at_the_edge_only() -> None:
    knowing = importers("twisted", "zope")
    assert "ldapserver.protocol" in knowing
    assert {module for module in knowing if not within(module, KNOW_TWISTED)} == set()


def part(module: str) -> str:
    """The package or module right below `ldapserver`."""
    return module.split(".")[1]


def test_arrows_between_packages_point_down() -> None:
    layered = [name for name in SOURCES if name.startswith("ldapserver.") and part(name) in LAYERS]
    assert {part(name) for name in layered} == set(LAYERS)
    for module in layered:
        found = {part(name) for name in imported(module) if name.startswith("ldapserver.")}
        assert found <= LAYERS[part(module)] | {part(module)}, module


@pytest.mark.parametrize("package", IMPORTERS)
def test_packages_are_imported_by_who_may(package: str) -> None:
    found = {name for name in importers(f"ldapserver.{package}") if not within(name, [f"ldapserver.{package}"])}
    assert {part(name) for name in found} == IMPORTERS[package]


def test_what_explains_a_digest_is_not_what_verifies_it() -> None:
    explaining = ["sasl_digest.explaining"]
    knowing = {name for name in importers(*explaining) if not within(name, explaining)}
    assert knowing == {"ldapserver.explaining", "ldapserver.cli.ldp.explain"}


def test_prometheus_is_imported_by_what_measures_only() -> None:
    assert importers("prometheus_client") == {"ldapserver.metrics", "ldapserver.hosting.scraping"}


@pytest.mark.parametrize("module", SOURCES)
def test_uvloop_is_imported_by_what_makes_a_loop_only(module: str) -> None:
    assert within(module, ["ldapserver.hosting.loops"]) == bool(
        {each for each in imported(module) if within(each, ["uvloop"])}
    )


def test_importing_the_engine_loads_the_standard_library_only() -> None:
    found = loaded("sasl_digest")
    assert outside_the_standard_library(found) == {"sasl_digest"}
    assert "sasl_digest.ldap3" not in found


def test_server_without_its_edge_loads_no_twisted() -> None:
    names = [name for name in SOURCES if within(name, ["ldapserver"]) and not within(name, EDGE)]
    assert "ldapserver.errors" in names
    found = loaded(*names)
    assert set(names) <= found
    assert not {name for name in found if within(name, ["twisted", "ldap3"])}


def test_each_name_of_the_package_is_there_and_is_imported_when_it_is_asked_for() -> None:
    assert loaded("ldapserver") & set(SOURCES) == {"ldapserver"}
    assert set(ldapserver.__all__) <= set(dir(ldapserver))
    assert [name for name in ldapserver.__all__ if not hasattr(ldapserver, name)] == []
    assert not hasattr(ldapserver, "nothing")


def test_the_plugin_loads_nothing_of_the_server() -> None:
    """pytest loads it in each run of whoever has the package, whether or not a server is asked for."""
    assert loaded("ldapserver.pytest_plugin") & set(SOURCES) == {"ldapserver", "ldapserver.pytest_plugin"}


def test_directory_and_audit_load_neither_sasl_nor_bind() -> None:
    names = [name for name in SOURCES if within(name, ["ldapserver.directory", "ldapserver.audit"])]
    assert names
    found = loaded(*names)
    assert set(names) <= found
    assert not {name for name in found if within(name, ["ldapserver.sasl", "ldapserver.bind"])}


# Builds a server of one audit target, up to where its reactor would run.
SERVE = (
    "import json, sys\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "from twisted.internet import reactor\n"
    "reactor.run = lambda: None\n"
    "from ldapserver.cli import main\n"
    "assert main(['serve', '--listen', 'ldap://127.0.0.1:0', *sys.argv[2:]]) == 0\n"
    "print(json.dumps(sorted(sys.modules)))\n"
)
ASKED_FOR = ("ldapserver.audit.syslog", "ldapserver.metrics", "prometheus_client", "twisted.web")


@pytest.mark.parametrize(
    ("options", "loads"),
    [
        ([], set()),
        (["--audit", "syslog:///none"], {"ldapserver.audit.syslog"}),
        (["--metrics", "127.0.0.1:0"], set(ASKED_FOR)),
    ],
    ids=["nothing", "syslog", "metrics"],
)
def test_syslog_and_metrics_are_loaded_by_who_asks_for_them(
    options: list[str], loads: set[str], tmp_path: Path
) -> None:
    audit = [] if "--audit" in options else ["--audit", str(tmp_path / "audit.jsonl")]
    command = [sys.executable, "-I", "-c", SERVE, str(ROOT), *audit, *options]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    found = set(json.loads(done.stdout))
    assert {name for name in ASKED_FOR if name in found} == loads


def test_serving_loads_what_serves_only() -> None:
    """A server starts fast and lean: what only clients, tests, checks and the terminal need stays out."""
    for_others = ["ldap3", "pyasn1", "rich", "dpkt", "sasl_digest.explaining"]
    for_others += [f"ldapserver.{package}" for package in ("testing", "faults", "capture", "viewer", "explaining")]
    assert not {name for name in loaded("ldapserver.cli.serve") if within(name, for_others)}
