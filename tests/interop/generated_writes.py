"""Random writes: the same ones every time.

A step is drawn from a few names and a few values, so that most of what RFC 4511 has a result code for happens:
entries that are there or are not, leaves that are none, moves below itself, values that are there already, changes of
which one does not work.
"""

import re
from collections.abc import Callable, Iterator
from random import Random

from ldapserver.wire.messages import (
    AddRequest,
    Change,
    Control,
    DelRequest,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    Operation,
    ResultCode,
)
from tests.interop.slapd import BASE
from tests.interop.write_requests import PERMISSIVE, add, asserting, change, read_before, read_behind

READ = ("*", "structuralObjectClass", "creatorsName", "modifiersName")

_FIRST_RDN = re.compile(r"^(?:[^\\,]|\\.)*,?")
UIDS = ("a", "A", "b", "c", "d\\, e", "e  f")
UNITS = ("x", "y", "Z")
TEXTS = ("one", "ONE", "one  ", "two", "three", "über", "\u00dcBER", " ")
INVALID = (
    *(("manager", "nobody"), ("description", ""), ("mail", "ü@x"), ("uidNumber", "07"), ("telephoneNumber", "")),
    *(("objectClass", "noSuchClass"), ("noSuchType", "x"), ("cn;", "x"), ("seeAlso", "cn")),
)
UNCHANGEABLE = (
    "createTimestamp",
    "entryUUID",
    "modifiersName",
    "hasSubordinates",
    "structuralObjectClass",
    "entryDN",
)


class Writes:
    """Draws writes below one entry, from chance with a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._known: list[str] = []  # names of entries, most of which are there
        self.top = f"ou=run{seed},{BASE}"

    def steps(self, count: int) -> Iterator[tuple[Operation, tuple[Control, ...]]]:
        """The entry they are all below, and what happens there, each with its controls."""
        yield add(self.top, ("objectClass", "organizationalUnit"), ("ou", self.top[3:].partition(",")[0])), ()
        kinds: tuple[tuple[Callable[[], Operation], int], ...] = (
            (self._person, 6),
            (self._unit, 3),
            (self._invalid_add, 2),
            (self._modify, 12),
            (self._delete, 2),
            (self._rename, 5),
        )
        kind, weight = zip(*kinds, strict=True)
        for _ in range(count):
            request = self._chance.choices(kind, weight)[0]()
            yield request, tuple(self._controls(request))

    def _controls(self, request: Operation) -> Iterator[Control]:
        if self._chance.random() < 0.1:
            yield asserting(self._chance.choice(("(sn=s)", "(cn=one)", "(!(cn=one))", "(noSuchType=x)", "(ou=*)")))
        if self._chance.random() < 0.2 and not isinstance(request, AddRequest):
            yield read_before(*READ)
        if self._chance.random() < 0.2 and not isinstance(request, DelRequest):
            yield read_behind(*READ)
        # Of the other two operations slapd thinks otherwise under it.
        adds = {ModifyOperation.ADD, ModifyOperation.REPLACE}
        changes = request.changes if isinstance(request, ModifyRequest) else ()
        if changes and {each.operation for each in changes} <= adds and self._chance.random() < 0.3:
            yield PERMISSIVE

    def learn(self, request: Operation, answer: ResultCode | int) -> None:
        """What became of a step."""
        if answer != ResultCode.SUCCESS or getattr(request, "entry", None) == self.top:
            return
        match request:
            case AddRequest(entry):
                self._known.append(entry)
            case DelRequest(entry):
                self._known = [name for name in self._known if name != entry]
            case ModifyDNRequest(entry, newrdn, _, new_superior):
                parent = _FIRST_RDN.sub("", entry, count=1)
                self._known = [name for name in self._known if name != entry]
                self._known.append(f"{newrdn},{new_superior or parent}")

    def _above(self) -> str:
        """An entry below which something may be put: it may not be there, and it may be a person."""
        if self._known and self._chance.random() < 0.5:
            return self._chance.choice((self.top, *self._known))
        dn = self.top
        while self._chance.random() < 0.45:
            dn = f"ou={self._chance.choice(UNITS)},{dn}"
        return dn if self._chance.random() < 0.95 else f"uid={self._chance.choice(UIDS)},{dn}"

    def _somewhere(self) -> str:
        kind = self._chance.random()
        if self._known and kind > 0.3:
            return self._chance.choice(self._known)
        if kind < 0.03:
            return self._chance.choice(
                ("", "cn", "dc=other", f"foo=x,{self.top}", f"ou=x,{self.top},", BASE + ",dc=x")
            )
        return f"uid={self._chance.choice(UIDS)},{self._above()}"

    def _not_the_top(self) -> str:
        # Without it there would be nothing left to write to.
        name = self._somewhere()
        return name if name != self.top else f"ou=x,{name}"

    def _person(self) -> AddRequest:
        uid = self._chance.choice(UIDS)
        attributes = [("objectClass", ["inetOrgPerson", "extensibleObject"]), ("cn", [self._text()]), ("sn", ["S"])]
        if self._chance.random() < 0.7:
            attributes.append(("uid", self._chance.choice(([uid.replace("\\", "")], ["other"], [uid.upper()]))))
        if self._chance.random() < 0.5:
            attributes.append(("description", [self._text(), self._text()]))
        if self._chance.random() < 0.4:
            attributes.append(("uidNumber", [str(self._chance.randrange(-3, 9))]))
        if self._chance.random() < 0.3:
            attributes.append(("localityName", [self._text()]))
        return add(f"uid={uid},{self._above()}", *attributes)

    def _unit(self) -> AddRequest:
        unit = self._chance.choice(UNITS)
        return add(f"ou={unit},{self._above()}", ("objectClass", "organizationalUnit"), ("ou", unit))

    def _invalid_add(self) -> AddRequest:
        request = self._person()
        attributes = [(each.type, [value.decode() for value in each.values]) for each in request.attributes]
        kind = self._chance.randrange(9)
        if kind == 0:
            del attributes[0]  # objectClass
        elif kind == 1:
            attributes = [each for each in attributes if each[0] != "sn"]
        elif kind == 2:
            name, value = self._chance.choice(INVALID)
            attributes.append((name, [value]))
        elif kind == 3:
            attributes.append((self._chance.choice(UNCHANGEABLE), ["20240101000000Z"]))
        elif kind == 4:
            attributes.append(("commonName", ["twice"]))
        elif kind == 5:
            attributes.append(("preferredLanguage", ["de", "en"]))
        elif kind == 6:
            attributes[0] = ("objectClass", ["inetOrgPerson", "device"])
        elif kind == 7:
            attributes[0] = ("objectClass", ["posixAccount"])
        else:
            return add(self._somewhere(), *attributes)
        return add(request.entry, *attributes)

    def _delete(self) -> DelRequest:
        return DelRequest(self._not_the_top())

    def _modify(self) -> ModifyRequest:
        count = self._chance.choice((1, 1, 1, 2, 2, 3, 4))
        return ModifyRequest(self._somewhere(), tuple(self._change() for _ in range(count)))

    def _change(self) -> Change:
        operation = self._chance.choice((ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE))
        kind = self._chance.random()
        if kind < 0.12:
            amount = self._chance.choice(("1", "-4", "0", "x"))
            name = self._chance.choice(("uidNumber", "uidNumber", "uidNumber", "description"))
            return change(ModifyOperation.INCREMENT, name, [amount])
        if kind < 0.15:
            name, value = self._chance.choice(INVALID)
            return change(operation, name, [value])
        if kind < 0.18:
            return change(operation, self._chance.choice(UNCHANGEABLE), ["20240101000000Z"])
        if kind < 0.3:
            classes = ("posixAccount", "INETORGPERSON", "person", "device", "extensibleObject", "top", "2.5.6.6")
            return change(operation, "objectClass", [self._chance.choice(classes)])
        if kind < 0.4:
            return change(operation, self._chance.choice(("uid", "ou", "sn", "preferredLanguage")), self._texts())
        if kind < 0.5:
            return change(operation, "uidNumber", [str(self._chance.randrange(-3, 9))])
        names = (
            "description",
            "description",
            "description;lang-de",
            "2.5.4.13",
            "cn",
            "commonName",
            "l",
            "localityName",
        )
        return change(operation, self._chance.choice(names), self._texts())

    def _rename(self) -> ModifyDNRequest:
        kind = self._chance.random()
        if kind < 0.06:
            newrdn = self._chance.choice(("", "cn", "foo=x", "uid=a,ou=x", "c=long", "uid="))
        elif kind < 0.5:
            newrdn = f"uid={self._chance.choice(UIDS)}"
        elif kind < 0.7:
            newrdn = f"ou={self._chance.choice(UNITS)}"
        elif kind < 0.85:
            newrdn = f"cn={self._chance.choice(('one', 'two', 'New'))}"
        else:
            newrdn = f"uid={self._chance.choice(UIDS)}+description={self._chance.choice(('one', 'two'))}"
        new_superior = self._somewhere() if self._chance.random() < 0.4 else None
        return ModifyDNRequest(self._not_the_top(), newrdn, self._chance.random() < 0.5, new_superior)

    def _text(self) -> str:
        return self._chance.choice(TEXTS)

    def _texts(self) -> list[str]:
        return [self._text() for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3)))]
