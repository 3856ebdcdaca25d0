"""What a server under test may begin with beside the options of `serve`: a domain, data, and files of it.

domain="contoso.com", administrator_password="..."      a new domain of Active Directory
users={...}, groups={...}, entries={...}                as `Server.add` takes them
load="people.yaml"                                      one file or several, as `Server.load` takes them
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ldapserver.testing.data_files import SECTIONS, Data, of_mapping, read
from ldapserver.testing.domain import domain_settings
from ldapserver.testing.filling import put

if TYPE_CHECKING:
    from ldapserver.testing.server import Ask


def begun(settings: Mapping[str, object]) -> tuple[dict[str, object], tuple[Data, ...]]:
    """The settings that are options of `serve`, and the data to put into the server that runs.

    Everything is read before anything is started. Raises ValueError and OSError.
    """
    given = dict(settings)
    if given.get("domain") is not None:
        given = domain_settings(given)
    elif "administrator_password" in given:
        raise ValueError("administrator_password: has no meaning without domain")
    given.pop("domain", None)
    files = given.pop("load", None) or ()
    data: list[Data] = []
    for path in [files] if isinstance(files, str | os.PathLike) else _listed(files):
        data.append(read(path))
    said = {section: given.pop(section) for section in SECTIONS if section in given}
    if said:
        data.append(of_mapping(said))
    return given, tuple(data)


def fill(ask: "Ask", data: tuple[Data, ...]) -> None:
    """Put the data into the server. Raises ValueError."""
    for each in data:
        ask(put, each)


def _listed(files: object) -> list[str | os.PathLike[str]]:
    if not isinstance(files, list | tuple):
        raise ValueError("load: must be the path of a file, or a list of paths")
    return list(files)
