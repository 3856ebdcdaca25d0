"""The LDIF files that a command line names: read with what is wrong told by file and line, written whole."""

from collections.abc import Callable, Iterable, Iterator

from ldapserver.directory.ldif import Attributes, InvalidLDIF, Record, read_ldif, write_record
from ldapserver.hosting.progress import watched
from ldapserver.usage import UsageFault
from ldapserver.whole_file import WholeFile
from ldapserver.wire.dn import DN

HEADER = "version: 1\n"


def records_of(
    path: str, *, option: str = "--ldif", report: Callable[[InvalidLDIF], None] | None = None
) -> Iterator[Record]:
    """The records of the file at `path`, which `option` names, with a progress bar where that helps.

    Raises UsageFault for a file that cannot be read, and InvalidLDIF as `read_ldif` does.
    """
    try:
        # What is not UTF-8 is found where it stands: the reader says in which line.
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            yield from watched(read_ldif(file, path, report), file, path)
    except OSError as error:
        raise UsageFault(f"argument {option}: {path}: {error.strerror}") from None


def text_of(entries: Iterable[tuple[DN | str, Attributes]]) -> Iterator[bytes]:
    """An LDIF file of these entries, piece by piece: one for each. Raises InvalidLDIF."""
    header = HEADER
    for name, attributes in entries:
        yield f"{header}\n{write_record(str(name), attributes)}".encode()
        header = ""
    if header:
        yield header.encode()


def write_whole(path: str, entries: Iterable[tuple[DN, Attributes]], *, private: bool) -> None:
    """Put an LDIF file of these entries at `path`, or leave what is there. Raises OSError and InvalidLDIF."""
    with WholeFile(path, private=private) as file:
        for piece in text_of(entries):
            file.write(piece)
