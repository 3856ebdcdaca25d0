"""The class that docs/coming-from/unboundid.md gives to Java programs, used by one."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, snippets
from tests.interop.conftest import QUICKLY, tool

PAGE = ROOT / "docs" / "coming-from" / "unboundid.md"
MAIN = """\
public class Main {
    public static void main(String[] arguments) throws Exception {
        try (Directory directory = new Directory("people.ldif", "--realm", "example.com")) {
            System.out.println(directory.url + " " + directory.records().size());
            int port = java.net.URI.create(directory.url).getPort();
            try (java.net.Socket socket = new java.net.Socket("127.0.0.1", port)) {
                System.out.println(socket.isConnected());
            }
        }
        try (Directory directory = new Directory("people.ldif", "--no-such-option")) {
            System.out.println("started");
        } catch (java.io.IOException error) {
            System.out.println(error.getMessage());
        }
    }
}
"""


def ran(folder: Path, program: str, *arguments: str) -> str:
    """What a program of the JDK writes that ends well; `ldapserver` is that of this interpreter."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
    command = [tool(program), *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_java_program_starts_and_stops_a_server(tmp_path: Path) -> None:
    for snippet in snippets(PAGE):
        name = snippet.marks.get("file")
        if name in ("Directory.java", "people.ldif"):
            (tmp_path / name).write_text(snippet.text, encoding="utf-8")
    (tmp_path / "Main.java").write_text(MAIN, encoding="utf-8")
    ran(tmp_path, "javac", *(f"-J{option}" for option in QUICKLY), "Main.java", "Directory.java")
    first, *others = ran(tmp_path, "java", *QUICKLY, "-cp", ".", "Main").splitlines()
    assert first.startswith("ldap://127.0.0.1:")
    assert first.endswith(" 0")
    assert others == ["true", "the server did not start"]
