"""A server of the example domain with Active Directory's shapes, and short words for what its clients ask."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ldapserver.controls import values
from ldapserver.directory.ad.profile import ActiveDirectory
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.schema import Schema, load_schema
from ldapserver.process import Process
from ldapserver.wire.messages import (
    AddRequest,
    Change,
    Control,
    DelRequest,
    LDAPResult,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    Scope,
    SearchResultEntry,
)

from .stage import Stage, search, simple, stage, stopped

BASE = "dc=contoso,dc=com"
EXAMPLE = Path(__file__).parents[2] / "examples" / "contoso.ldif"
ADMIN = f"uid=admin,ou=people,{BASE}"
ALICE = f"cn=Alice Apple,ou=staff,{BASE}"
BOB = f"cn=Bob Baker,ou=staff,{BASE}"
RESEARCH = f"cn=research,ou=groups,{BASE}"
ALL_HANDS = f"cn=all-hands,ou=groups,{BASE}"
ENGINEERS = f"cn=engineers,ou=groups,{BASE}"
U1 = f"uid=u1,ou=people,{BASE}"
ADD, DELETE, REPLACE = ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE


@cache
def schema() -> Schema:
    """What a domain knows."""
    return load_schema([], active_directory=True).schema


def counted(octets: int) -> bytes:
    """Chance that is none."""
    return bytes(range(octets % 256))


def directory(ldif: str | None = None, **rest: Any) -> MemoryDirectory:
    """The example, or these entries, as a domain."""
    text = EXAMPLE.read_text("utf-8") if ldif is None else ldif
    rest.setdefault("clock", stopped())
    return MemoryDirectory([("ldif", read_ldif(text, "ldif"))], schema=schema(), profile=ActiveDirectory(), **rest)


class Domain:
    """One connection to a server of it, bound as an administrator by way of a Unix socket, unless told otherwise."""

    def __init__(
        self,
        where: MemoryDirectory | None = None,
        *,
        name: str = ADMIN,
        password: str = "admin secret",
        protected: bool = True,
        **settings: Any,
    ) -> None:
        self.directory = directory() if where is None else where
        self.stage: Stage = stage(
            directory=self.directory,
            process=Process(1000, 1000) if protected else None,
            admins=(ADMIN,),
            **settings,
        )
        if name:
            assert self.bind(name, password) is ResultCode.SUCCESS

    def bind(self, name: str, password: str) -> int:
        """The result of a simple bind."""
        return self.stage.bind(simple(name, password)).result_code

    def search(self, filter: str, *attributes: str, base: str = BASE, **rest: Any) -> dict[str, dict[str, Any]]:
        """What is found, which must end well; values that are text as text."""
        found, done = self.stage.search(search(base, filter=filter, attributes=attributes, **rest))
        assert done.result_code is ResultCode.SUCCESS, done
        return {
            dn: {name: [_shown(value) for value in each] for name, each in entry.items()}
            for dn, entry in found.items()
        }

    def names(self, filter: str, **rest: Any) -> set[str]:
        """The names of what is found."""
        return set(self.search(filter, "1.1", **rest))

    def read(self, dn: str, *attributes: str) -> dict[str, Any]:
        """One entry."""
        (entry,) = self.search("(objectClass=*)", *attributes, base=dn, scope=Scope.BASE_OBJECT).values()
        return entry

    def octets(self, dn: str, attribute: str) -> tuple[bytes, ...]:
        """The values of an attribute as they come."""
        found, _ = self.stage.search(search(dn, Scope.BASE_OBJECT, attributes=(attribute,)))
        return found[dn].get(attribute, ())

    def modify(self, dn: str, *changes: tuple[ModifyOperation, str, Iterable[str | bytes]]) -> LDAPResult:
        """The answer to a modify."""
        return self.stage.ask(
            ModifyRequest(dn, tuple(Change(what, _attribute(name, values)) for what, name, values in changes))
        )

    def add(self, dn: str, **attributes: str | bytes | list[str]) -> LDAPResult:
        """The answer to an add."""
        each = [_attribute(name, [v] if isinstance(v, str | bytes) else v) for name, v in attributes.items()]
        return self.stage.ask(AddRequest(dn, tuple(each)))

    def delete(self, dn: str) -> LDAPResult:
        """The answer to a delete."""
        return self.stage.ask(DelRequest(dn))

    def rename(self, dn: str, newrdn: str, superior: str | None = None) -> LDAPResult:
        """The answer to a modifyDN that leaves nothing of the old name."""
        return self.stage.ask(ModifyDNRequest(dn, newrdn, True, superior))

    def page(self, filter: str, size: int, cookie: bytes = b"") -> tuple[int, bytes]:
        """How many entries are on a page, and the cookie of the next."""
        value = values.encode(values.RealSearchControlValue, size=size, cookie=cookie)
        control = Control("1.2.840.113556.1.4.319", True, value)
        messages = self.stage.send(search(BASE, filter=filter, attributes=("1.1",)), controls=(control,))
        while self.stage.channel.turn():
            messages += self.stage.channel.taken()
        *found, done = messages
        assert isinstance(done.operation, LDAPResult)
        assert done.operation.result_code is ResultCode.SUCCESS, done
        assert all(isinstance(each.operation, SearchResultEntry) for each in found)
        answer = values.decode(values.RealSearchControlValue, done.controls[0].control_value, "paged")
        return len(found), bytes(answer["cookie"])


def utf16(password: str) -> bytes:
    """A value of unicodePwd."""
    return f'"{password}"'.encode("utf-16-le")


def _attribute(name: str, values: Iterable[str | bytes]) -> PartialAttribute:
    return PartialAttribute(name, tuple(v.encode() if isinstance(v, str) else v for v in values))


def _shown(value: bytes) -> str | bytes:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value
    return text if text.isprintable() else value
