"""What entries that are loaded lack: worked out for the first of each make, and the same for all others of it.

A domain of a hundred thousand entries has a few dozen makes: they hold the same attributes, and the same values of
those that decide what kind of entry one is. What such an entry lacks (`completion.complete`) is the same in all of
them, but for a few values that are each entry's own: its numbers, its identity and its name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from ldapserver.directory.ad import account_control
from ldapserver.directory.ad.completion import Creation, Kind, complete, kind_of
from ldapserver.directory.ad.constructed import as_stored
from ldapserver.directory.ad.guid import derived_guid
from ldapserver.directory.entry import Entry, Shape, shape_of
from ldapserver.wire.dn import DN

_Values = tuple[bytes, ...]

# What `complete` looks at the values of. Of pwdLastSet it is whether it stands for now.
_DECIDING = ("objectclass", "useraccountcontrol", "grouptype")
_PWD_LAST_SET = "pwdlastset"
_NOW: _Values = (b"-1",)

# What is an entry's own where it is not given, in the order in which `Make.completed` has it. The name of an account
# that is named by its uid is its cn as well.
_USN, _GUID, _SID, _ACCOUNT_NAME, _NAME = range(5)
_OWN = {
    "usncreated": _USN,
    "usnchanged": _USN,
    "objectguid": _GUID,
    "objectsid": _SID,
    "samaccountname": _ACCOUNT_NAME,
    "cn": _NAME,
}


@dataclass(frozen=True, slots=True)
class Make:
    """Entries that lack the same; `lacks_sid` and `lacks_account_name` say what `completed` has to be given."""

    kind: Kind
    lacks_sid: bool
    lacks_account_name: bool
    lacks_guid: bool
    shape: Shape  # of what they become
    shared: tuple[_Values, ...]  # values that all of them get
    picked: Callable[[tuple[_Values, ...]], tuple[_Values, ...]]  # theirs, those shared and their own, put in order

    def completed(self, entry: Entry, usn: int, sid: bytes | None, account_name: str | None) -> Entry:
        """An entry of this make with all that it lacked; `usn` is the number of the update that loads it."""
        own = (
            (b"%d" % usn,),
            (derived_guid(str(entry.dn)),) if self.lacks_guid else (),
            () if sid is None else (sid,),
            () if account_name is None else (account_name.encode(),),
            (entry.dn.rdns[0][0].value,),
        )
        return Entry.of(entry.dn, self.shape, self.picked((*entry.values, *self.shared, *own)))


class Makes:
    """The makes of the entries of one load, as they are met."""

    def __init__(self, schema_naming_context: DN, now: datetime) -> None:
        self._schema_naming_context = schema_naming_context
        self._now = now
        self._known: dict[object, Make] = {}

    def of(self, entry: Entry, *, head: bool, password: bool) -> Make:
        """The make of an entry; whether it is the head of a naming context, and whether it has a password."""
        positions, values = entry.shape.positions, entry.values
        deciding = tuple([None if (at := positions.get(name)) is None else values[at] for name in _DECIDING])
        at = positions.get(_PWD_LAST_SET)
        now = at is not None and values[at] == _NOW
        empty = () in values and tuple([not each for each in values])  # an attribute without a value is lacking
        key = entry.shape, deciding, now, empty, entry.dn.rdns[0][0].type, head, password
        make = self._known.get(key)
        if make is None:
            make = self._known[key] = self._make(entry, head=head, password=password)
        return make

    def _make(self, entry: Entry, *, head: bool, password: bool) -> Make:
        kind = kind_of(entry.get("objectClass"))
        attributes = as_stored(entry)
        if kind is Kind.BUILTIN_DOMAIN and not entry.get("objectSid"):
            attributes.append(("objectSid", (b"",)))
        if kind.is_account and password and "pwdLastSet" not in entry:
            attributes.append(("pwdLastSet", _NOW))
        creation = Creation(
            entry.dn,
            self._schema_naming_context,
            self._now,
            usn=0,
            guid=b"",
            sid=b"",
            naming_context_head=head,
            control=account_control.of_loaded(computer=kind is Kind.COMPUTER, password=password),
            account_name=str,
        )
        completed = complete(attributes, creation)
        own_at = len(entry.values) + len(completed)
        order: list[int] = []
        lacking: set[int] = set()
        for at, (name, values) in enumerate(completed):
            lowered = name.lower()
            there = entry.get(name)
            decided = lowered in _DECIDING or (lowered == _PWD_LAST_SET and there == _NOW)
            if there and not decided:
                order.append(entry.shape.positions[lowered])
            elif values and lowered in _OWN:
                lacking.add(_OWN[lowered])
                order.append(own_at + _OWN[lowered])
            else:
                order.append(len(entry.values) + at)
        return Make(
            kind,
            lacks_sid=_SID in lacking,
            lacks_account_name=_ACCOUNT_NAME in lacking,
            lacks_guid=_GUID in lacking,
            shape=shape_of(tuple([name for name, _ in completed])),
            shared=tuple([values for _, values in completed]),
            picked=itemgetter(*order),
        )
