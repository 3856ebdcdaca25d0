"""Users, groups and entries as data: mappings, and files of LDIF, JSON and YAML.

    users:
      alice: {password: wonderland, groups: [staff], mail: alice@example.com}
      bob: builder                              a password alone
    groups:
      staff:
      everybody: {members: [staff, bob]}
    entries:
      ou=printers: {objectClass: organizationalUnit}

What is a keyword of `Server.add_user` and `Server.add_group` is a field here, anything else an attribute.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ldapserver.directory.ldif import Attributes, Record, read_ldif
from ldapserver.testing.finding import told_of
from ldapserver.testing.orders import GroupOrder, UserOrder, group_order, user_order
from ldapserver.testing.values import attributes_of, brief

SECTIONS = ("users", "groups", "entries")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}  # as YAML 1.1 has them
_TOO_DEEP = "mappings and lists stand too deep inside each other"

_Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Data:
    """What is to be added, each behind where it stands: how errors of it begin."""

    users: tuple[tuple[str, UserOrder], ...] = field(default=(), repr=False)
    groups: tuple[tuple[str, GroupOrder], ...] = ()
    entries: tuple[tuple[str, str, Attributes], ...] = field(default=(), repr=False)
    records: tuple[tuple[str, Record], ...] = field(default=(), repr=False)


def of_mapping(data: object, source: str = "", lines: _Lines | None = None) -> Data:
    """The data of a mapping; `source` is its name in errors, and `lines` where its keys stand. Raises ValueError."""

    def at(*path: str) -> str:
        line = None if lines is None else lines.get(path)
        return source + ("" if line is None else f":{line}") + (": " if source else "")

    if not isinstance(data, Mapping):
        raise ValueError(f"{at()}must be a mapping of {', '.join(SECTIONS)}")
    for section in data:
        if section not in SECTIONS:
            raise ValueError(f"{at(section)}{section}: is none of {', '.join(SECTIONS)}")
    users: list[tuple[str, UserOrder]] = []
    groups: list[tuple[str, GroupOrder]] = []
    entries: list[tuple[str, str, Attributes]] = []
    for name, said in _section(data, "users", at("users")):
        with _found_at(at("users", name)):
            users.append((at("users", name), user_order(name, **_user_fields(name, said))))
    for name, said in _section(data, "groups", at("groups")):
        with _found_at(at("groups", name)):
            groups.append((at("groups", name), group_order(name, **_group_fields(name, said))))
    for name, said in _section(data, "entries", at("entries")):
        with _found_at(at("entries", name)), told_of(f"entry {name!r}"):
            entries.append((at("entries", name), name, attributes_of(_mapping(said))))
    return Data(tuple(users), tuple(groups), tuple(entries))


def read(path: str | os.PathLike[str] | None = None, *, ldif: str | os.PathLike[str] | None = None) -> Data:
    """The data of a file by its suffix, or of LDIF: its path, or a text of more than a line.

    Raises ValueError and OSError.
    """
    if path is not None and ldif is None:
        file, suffix = Path(path), Path(path).suffix.lower()
    elif ldif is not None and path is None:
        if isinstance(ldif, str) and "\n" in ldif:
            return _of_ldif(ldif, "ldif")
        file, suffix = Path(ldif), ".ldif"
    else:
        raise ValueError("load: needs the path of a file, or ldif=")
    if suffix not in _READERS:
        raise ValueError(f"{path}: must end with {', '.join(_READERS)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{file}: not UTF-8") from None
    return _READERS[suffix](text, str(file))


def _of_ldif(text: str, source: str) -> Data:
    return Data(records=tuple([(f"{source}:{record.line}: ", record) for record in read_ldif(text, source)]))


def _of_json(text: str, source: str) -> Data:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        # The last would silently take the place of the others.
        found: dict[str, object] = {}
        for name, value in pairs:
            if name in found:
                raise ValueError(f"{source}: {name}: is there twice")
            found[name] = value
        return found

    try:
        data = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source}:{error.lineno}: {error.msg}") from None
    except RecursionError:
        raise ValueError(f"{source}: {_TOO_DEEP}") from None
    return of_mapping(data, source)


def _of_yaml(text: str, source: str) -> Data:
    try:
        import yaml
    except ImportError:
        raise ValueError(f"{source}: needs the library PyYAML, which the extra sasl-digest[yaml] installs") from None
    # As safe as yaml.safe_load, and every scalar is the text that stands there: with that one a password of 0123
    # would be the number 83, and one of "no" would be false.
    try:
        node = yaml.compose(text, yaml.BaseLoader)
        data = yaml.load(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise ValueError(f"{source}{line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{source}: no YAML: {error}") from None
    except RecursionError:
        raise ValueError(f"{source}: {_TOO_DEEP}") from None
    lines: dict[tuple[str, ...], int] = {}
    _number(node, (), lines, source)
    return of_mapping(data or {}, source, lines)


def _number(node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int], source: str) -> None:
    """Note where the keys of a mapping stand, down to the fields. Raises ValueError for one that is there twice."""
    pairs = node.value if hasattr(node, "value") and isinstance(node.value, list) and len(path) < 3 else []
    for pair in pairs:
        if not isinstance(pair, tuple):  # a list, whose elements have no names
            return
        key, value = pair
        here = (*path, str(key.value))
        if here in lines:
            raise ValueError(f"{source}:{key.start_mark.line + 1}: {key.value}: is there twice")
        lines[here] = key.start_mark.line + 1
        _number(value, here, lines, source)


_READERS = {".ldif": _of_ldif, ".json": _of_json, ".yaml": _of_yaml, ".yml": _of_yaml}


@contextmanager
def _found_at(place: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}{error}") from None


def _section(data: Mapping[str, object], name: str, place: str) -> list[tuple[str, object]]:
    said = data.get(name)
    if said is None or said == "":
        return []
    if not isinstance(said, Mapping):
        raise ValueError(f"{place}{name}: must be a mapping, of names to what is said of them")
    return list(said.items())


def _mapping(said: object) -> dict[str, object]:
    """The fields of one; nothing is none."""
    if said is None or said == "":
        return {}
    if not isinstance(said, Mapping):
        raise ValueError("must be a mapping, of fields and attributes to their values")
    for name in said:
        if not isinstance(name, str):
            raise ValueError(f"{name!r}: must be text")
    return dict(said)


def _user_fields(name: str, said: object) -> dict[str, Any]:
    with told_of(f"user {name!r}"):
        if isinstance(said, str) and said:
            return {"password": said}
        fields = _mapping(said)
        for flag in ("disabled", "must_change", "locked", "expired"):
            if flag in fields:
                fields[flag] = _flag(flag, fields[flag])
        for several in ("groups", "scheme"):
            if isinstance(fields.get(several), str):
                fields[several] = [fields[several]]
        return fields


def _group_fields(name: str, said: object) -> dict[str, Any]:
    with told_of(f"group {name!r}"):
        fields = {"members": said} if isinstance(said, list | tuple) else _mapping(said)
        for several in ("groups", "members"):
            if isinstance(fields.get(several), str):
                fields[several] = [fields[several]]
        return fields


def _flag(name: str, said: object) -> bool | datetime:
    if isinstance(said, bool | datetime):
        return said
    if isinstance(said, str) and said.lower() in _FLAGS:
        return _FLAGS[said.lower()]
    if isinstance(said, str) and name == "expired":
        try:
            return datetime.fromisoformat(said)
        except ValueError:
            raise ValueError(
                f"{name}: {said!r} is neither true, false nor a moment like 2026-01-02T03:04:05Z"
            ) from None
    raise ValueError(f"{name}: must be true or false, and not {brief(said)}")
