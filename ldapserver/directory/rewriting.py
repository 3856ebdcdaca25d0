"""One entry of an LDIF text changed, with every octet elsewhere as it was: comments, folds, order, ends of lines."""

from collections.abc import Iterator

from ldapserver.directory.ldif import Attributes, EntryRecord, write_attribute


def rewritten(text: str, record: EntryRecord, attributes: Attributes) -> str:
    """`text`, in which `record` was read, with these attributes in its place.

    The lines of an attribute that is what it was stay as they are, comments too. One that is changed stands where its
    first value did, one that is new at the end of the record.
    """
    start = _offset(text, record.line)
    lines = list(_logical_lines(text, start))
    end = start + sum(map(len, lines))
    # A first line always ends: with "\r\n" where the file is of another world.
    newline = "\r\n" if lines[0].partition("\n")[0].endswith("\r") else "\n"
    cut_short = not lines[-1].endswith("\n")
    if cut_short:
        lines[-1] += newline
    changed = "".join(_changed(lines, record.attributes, attributes, newline))
    if cut_short:
        changed = changed.removesuffix(newline)
    return text[:start] + changed + text[end:]


def _offset(text: str, line: int) -> int:
    """Where a line begins; the first is 1."""
    offset = 0
    for _ in range(line - 1):
        offset = text.index("\n", offset) + 1
    return offset


def _logical_lines(text: str, offset: int) -> Iterator[str]:
    """The lines from there to the next blank one, each with its continuations (RFC 2849 note 2) and as it stands."""
    line = ""
    while offset < len(text):
        end = text.find("\n", offset) + 1 or len(text)
        physical = text[offset:end]
        if not physical.removesuffix("\n").removesuffix("\r"):
            break
        if physical.startswith(" "):
            line += physical
        else:
            if line:
                yield line
            line = physical
        offset = end
    yield line


def _changed(lines: list[str], before: Attributes, after: Attributes, newline: str) -> Iterator[str]:
    old = {description.lower(): values for description, values in before}
    new = {description.lower(): (description, values) for description, values in after}
    # Behind the last line that says something: comments may follow it.
    last = max(at for at, line in enumerate(lines) if not line.startswith("#"))
    written = set()
    for at, line in enumerate(lines):
        name = _name(line) if at else ""  # the first line is the entry's name
        if name not in old or new.get(name, ("", ()))[1] == old[name]:
            yield line
        elif name not in written:
            written.add(name)
            if name in new:
                yield _lines(*new[name], newline)
        if at == last:
            yield from (_lines(*new[each], newline) for each in new if each not in old)


def _name(line: str) -> str:
    """What attribute a logical line is of, in lower case; nothing for a comment."""
    if line.startswith("#"):
        return ""
    unfolded = "".join(
        part.removesuffix("\r")[1 if at else 0 :] for at, part in enumerate(line.removesuffix("\n").split("\n"))
    )
    return unfolded.partition(":")[0].lower()


def _lines(description: str, values: tuple[bytes, ...], newline: str) -> str:
    return write_attribute(description, values).replace("\n", newline)
