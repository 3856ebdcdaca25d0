"""How pages are read, and what a reader's shell does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import Program, Snippet, agrees, is_among, steps, typed
from tests.docs.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def page(folder: Path, text: str) -> Path:
    path = folder / "page.md"
    path.write_text(text.replace("~~~", "```"))
    return path


@pytest.mark.parametrize(
    ("said", "output", "agreed"),
    [
        ("", "", True),
        ("a", "", False),
        ("", "a", False),
        ("one ... three", "one two three", True),
        ("one ... three", "one\nthree", False),
        ("one ... three", "one\ntwo three", False),
        ("one\n...\nfour", "one\ntwo\nthree\nfour", True),
        ("one\n...\nfour", "one\nfour", True),
        ("one\n...\nfour", "one\ntwo\nfour\nfive", False),
        ("one\n...", "one\ntwo", True),
        ("one\n...", "ones\ntwo", False),
        ("...\ntwo", "one\ntwo", True),
        ("...\ntwo", "onetwo", False),
        ("...", "whatever\nthere is", True),
        ("...", "", True),
        ("a.c", "abc", False),
        ("Password:\nok", "Password: \nok", True),
    ],
)
def test_what_agrees_with_a_page(said: str, output: str, agreed: bool) -> None:
    assert agrees(said, output) == agreed


@pytest.mark.parametrize(
    ("output", "agreed"),
    [("binds   45,087\nmax  6.5", True), ("binds       9\nmax 10.25", True), ("binds some\nmax 6.5", False)],
)
def test_what_varies(output: str, agreed: bool) -> None:
    assert agrees("binds  1,000\nmax 1.0", output, "[0-9][0-9,.]*") == agreed
    assert agrees("binds  1,000\n...", output, "[0-9][0-9,.]*") == agreed


REPORT = """\
--- LDAP conversation with ldap://127.0.0.1:38451 ---
   0.000 #1    -> [1] bind
   0.000 #2    -> [3] bind
                      password <removed>
   0.001 #1       closed"""
OTHER = """\
before
------ LDAP conversation with ldap://127.0.0.1:2 ------
   0.001 #1    -> [27] bind
   0.002 #1       closed
   0.070 #2    -> [28] bind
                      password <removed>
behind"""


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "", True),
        ("[28]", "[27]", False),
        ("closed", "open", False),
        ("#2", "#1", False),
        ("before", REPORT, True),
        ("<removed>", "secret", False),
    ],
)
def test_a_report_among_what_tests_write(old: str, new: str, found: bool) -> None:
    assert is_among(REPORT, OTHER.replace(old, new) if old else OTHER) == found


def test_what_is_typed_goes_on_over_lines() -> None:
    console = "$ one \\\n  two\nout\n$ cat <<EOF\nin\nEOF\nin\n$ three\n"
    commands = [(each.command, each.output) for each in typed(console)]
    assert commands == [("one \\\n  two", "out"), ("cat <<EOF\nin\nEOF", "in"), ("three", "")]


def test_a_program_is_where_its_last_piece_stands(tmp_path: Path) -> None:
    first, second = "~~~python\nx = 1\n~~~\n", "<!-- continues -->\n<!-- fails -->\n~~~python\nprint(x)\n~~~\n"
    shown, data = "<!-- output -->\n~~~text\n1\n~~~\n", "<!-- file: y -->\n~~~yaml\ny\n~~~\n"
    found = steps(page(tmp_path, first + shown + data + second + "~~~python\n~~~\n"))
    assert [type(step) for step in found] == [Snippet, Program, Program]
    file, program, _ = found
    assert isinstance(file, Snippet)
    assert (file.line, file.marks) == (10, {"file": "y"})
    assert isinstance(program, Program)
    assert program.text == "x = 1\n\n\nprint(x)\n"
    assert [piece.marks for piece in program.pieces] == [{}, {"continues": "", "fails": ""}]
    assert [output.text for output in program.outputs] == ["1\n"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("<!-- example: x -->\n~~~python\n~~~\n", "no mark of these pages: <!-- example: x -->"),
        ("<!-- file -->\n~~~text\n~~~\n", "no mark of these pages: <!-- file -->"),
        ("<!-- fails: x -->\n~~~text\n~~~\n", "no mark of these pages: <!-- fails: x -->"),
        ("<!-- continues -->\n~~~python\n~~~\n", "page.md:3: there is no program before it"),
        ("<!-- output -->\n~~~text\n~~~\n", "page.md:3: there is no program before it"),
    ],
)
def test_a_mark_that_means_nothing_is_a_mistake(
    text: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=f"^{error}$"):
        steps(page(tmp_path, text))


def test_a_shell_goes_on_from_command_to_command(shell: Shell) -> None:
    assert shell.run("x=1; pwd; false") == (1, ".")
    assert shell.run("echo $? $x") == (0, "1 1")


def test_ports_of_pages_are_others(shell: Shell) -> None:
    ours = shell.here("ldap://127.0.0.1:3890")
    assert ours != "ldap://127.0.0.1:3890"
    assert shell.here("ldap://[::1]:3890/") == f"ldap://[::1]:{ours[-5:]}/"
    assert shell.run("echo ldap://127.0.0.1:3890 'ldap_open(\"127.0.0.1\", 3890);'") == (
        0,
        'ldap://127.0.0.1:3890 ldap_open("127.0.0.1", 3890);',
    )


def test_what_is_left_to_run_is_waited_for_until_it_listens_and_until_it_has_ended(shell: Shell) -> None:
    server = (
        "trap 'sleep 0.1; echo ended > log; exit' TERM; echo listening on x; while :; do read -t 0.1 <> <(:); done"
    )
    assert shell.run(f'bash -c "{server}" &') == (0, "listening on x")
    assert shell.run("kill $!") == (0, "")
    assert shell.run("cat log") == (0, "ended")


def test_what_has_ended_at_once_is_said(shell: Shell) -> None:
    assert shell.run("echo wrong &") == (1, "(it has ended) wrong\n")


def test_what_is_typed_at_a_terminal(shell: Shell) -> None:
    ask = 'read -rsp "Password: " one; echo; read -rsp "Again: " two; echo; test "$one$two" = "a bb"'
    assert shell.run(f"{ask}; echo $?", ["a b", "b"]) == (0, "Password: \nAgain: \n0")
    assert shell.run(f"{ask}", ["a b", "c"]) == (1, "Password: \nAgain: ")
