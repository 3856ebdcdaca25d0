"""What a write makes of an entry's attributes: attributes in, attributes out (RFC 4511 sections 4.6, 4.7 and 4.9).

Two descriptions name one attribute when type and options are the same, whatever name of the type is written (RFC 4512
section 2.5), and two values are one when the type's equality rule says so.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from ldapserver.directory.conformance import Rules
from ldapserver.directory.ldif import Attributes
from ldapserver.directory.likely import MANY, likely
from ldapserver.directory.matching import case_ignore, distinguished_name, equality_rule, octet_string
from ldapserver.directory.own_password import locked_out
from ldapserver.directory.schema import AttributeType, Schema
from ldapserver.errors import OperationRefused, WrongOldPassword
from ldapserver.wire.dn import ATTRIBUTE_DESCRIPTION, RDN
from ldapserver.wire.messages import Change, ModifyOperation, ResultCode

# Whether a stored value of a password attribute is one that was given, which may be the password in the clear.
Verifies = Callable[[str, bytes, bytes], bool]

_OF_NAMES = "distinguishednamematch"
_INTEGER_SYNTAX = "1.3.6.1.4.1.1466.115.121.1.27"

_Name = tuple[str, frozenset[str]]  # the type's OID, or its name where it is not known, and the options


def never(description: str, stored: bytes, given: bytes) -> bool:
    """The `Verifies` that takes stored values for nothing but themselves."""
    return False


class Draft:
    """The attributes of one entry while they are changed."""

    def __init__(self, attributes: Iterable[tuple[str, Sequence[bytes]]], schema: Schema) -> None:
        self._schema = schema
        self._held: dict[_Name, tuple[str, list[bytes]]] = {}
        for description, values in attributes:
            _, held = self._held.setdefault(self._name(description), (description, []))
            held += values

    @property
    def attributes(self) -> Attributes:
        """What they are now."""
        return tuple([(description, tuple(values)) for description, values in self._held.values()])

    def add(self, description: str, values: Sequence[bytes], *, permissive: bool = False) -> None:
        """Add values, none of which may be there; with `permissive`, those that are not. Raises OperationRefused."""
        name = self._name(description)
        if name not in self._held:
            self._held[name] = description, list(values)
            return
        _, held = self._held[name]
        key = self._key(description)
        if key is None:
            raise _cannot_match(description)
        new = [value for value in values if not self._among(description, held, value, key)]
        if len(new) < len(values) and not permissive:
            raise OperationRefused(
                ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, f"{description}: a value to add is there already"
            )
        held += new

    def delete(
        self,
        description: str,
        values: Sequence[bytes],
        verifies: Verifies = never,
        *,
        permissive: bool = False,
        own: bool = False,
    ) -> None:
        """Delete values that must be there; without any, the attribute. Raises OperationRefused.

        With `permissive` what is not there is gone already. A password of one's `own` to delete is the old one, and
        that it was wrong nobody gets around: raises WrongOldPassword.
        """
        name = self._name(description)
        key = self._key(description)
        if values and key is None:
            raise _cannot_match(description)
        if name not in self._held:
            if permissive:
                return
            raise OperationRefused(ResultCode.NO_SUCH_ATTRIBUTE, f"{description}: not there")
        if not values or key is None:
            del self._held[name]
            return
        _, held = self._held[name]
        gone: set[int] = set()
        for value in values:
            found = self._among(description, held, value, key)
            if self._schema.is_secret(description):
                # Every form of the password goes, or the old one would still be one.
                found |= {at for at, stored in enumerate(held) if verifies(description, stored, value)}
            if not found:
                refused = _not_there(description)
                if own and self._schema.is_secret(description):
                    raise WrongOldPassword(refused, value, locked_out())
                if not permissive:
                    raise refused
            gone |= found
        held[:] = [value for at, value in enumerate(held) if at not in gone]
        if not held:
            del self._held[name]

    def replace(self, description: str, values: Sequence[bytes]) -> None:
        """Put these values in the place of all there are; without any, there is no such attribute any more."""
        name = self._name(description)
        if values:
            known, _ = self._held.get(name, (description, []))
            self._held[name] = known, list(values)
        else:
            self._held.pop(name, None)

    def increment(self, description: str, by: bytes) -> None:
        """Add to every value, RFC 4525 section 3. Raises OperationRefused."""
        _, held = self._held.get(self._name(description), (description, []))
        if not held:
            raise OperationRefused(ResultCode.NO_SUCH_ATTRIBUTE, f"{description}: not there")
        try:
            held[:] = [b"%d" % (_integer(value) + _integer(by)) for value in held]
        except ValueError:
            raise _no_integer(description) from None

    def name(self, rdn: RDN) -> None:
        """Let the values that name the entry be among its values (RFC 4512 section 2.3)."""
        for ava in rdn:
            if not self.holds(ava.type, ava.value):
                _, held = self._held.setdefault(self._name(ava.type), (ava.type, []))
                held.append(ava.value)

    def forget(self, rdn: RDN) -> None:
        """Take away the values that named the entry, as far as they are there."""
        for ava in rdn:
            name, key = self._name(ava.type), self._comparable(ava.type)
            if name not in self._held:
                continue
            _, held = self._held[name]
            wanted = key(ava.value)
            held[:] = [value for value in held if key(value) != wanted]
            if not held:
                del self._held[name]

    def holds(self, description: str, value: bytes) -> bool:
        """Whether the value is there, in some spelling."""
        _, held = self._held.get(self._name(description), (description, []))
        return value in held or bool(self._among(description, held, value, self._comparable(description)))

    def _among(self, description: str, held: Sequence[bytes], value: bytes, key: Callable[[bytes], Any]) -> set[int]:
        """Where a value stands, in some spelling."""
        attribute_type = self._schema.attribute_type(description)
        of_names = attribute_type is not None and (attribute_type.equality or "").lower() == _OF_NAMES
        places: Sequence[int] = likely(held, value) if of_names and len(held) >= MANY else range(len(held))
        if not places:
            return set()
        wanted = key(value)
        return {at for at in places if key(held[at]) == wanted}

    def _name(self, description: str) -> _Name:
        return name_of(self._schema, description)

    def _key(self, description: str) -> Callable[[bytes], Any] | None:
        """What tells values apart; None where no rule does."""
        return key_of(self._schema, description)

    def _comparable(self, description: str) -> Callable[[bytes], Any]:
        return self._key(description) or octet_string


def changed(
    attributes: Attributes,
    changes: Iterable[Change],
    schema: Schema,
    verifies: Verifies = never,
    *,
    permissive: bool = False,
    own: bool = False,
) -> Attributes:
    """The attributes after these changes, made in turn (RFC 4511 section 4.6). Raises OperationRefused.

    With `permissive` it is no error to add what is there, nor to delete what is not, but for a password that somebody
    deletes as the `own`.
    """
    draft = Draft(attributes, schema)
    for change in changes:
        description, values = change.modification.type, change.modification.values
        match change.operation:
            case ModifyOperation.ADD:
                draft.add(description, values, permissive=permissive)
            case ModifyOperation.DELETE:
                draft.delete(description, values, verifies, permissive=permissive, own=own)
            case ModifyOperation.REPLACE:
                draft.replace(description, values)
            case ModifyOperation.INCREMENT:
                draft.increment(description, values[0])
    return draft.attributes


def check_changes(changes: Sequence[Change], schema: Schema, rules: Rules) -> None:
    """What is wrong with changes by themselves, whatever they are made to. Raises OperationRefused."""
    for change in changes:
        description, values = change.modification.type, change.modification.values
        if change.operation is ModifyOperation.ADD and not values:
            raise OperationRefused(ResultCode.PROTOCOL_ERROR, f"{description}: an add has values")
        # By how much is one number, RFC 4525 section 3.
        if change.operation is ModifyOperation.INCREMENT and len(values) != 1:
            raise OperationRefused(ResultCode.PROTOCOL_ERROR, f"{description}: an increment has one value")
    for change in changes:
        description, values = change.modification.type, change.modification.values
        deleted = change.operation is ModifyOperation.DELETE
        check_description(description)
        if change.operation is ModifyOperation.INCREMENT:
            _check_increment(description, values[0], schema)
        rules.values(description, values, deleted=deleted)
        if not deleted:
            check_distinct(description, values, schema)


def _check_increment(description: str, by: bytes, schema: Schema) -> None:
    attribute_type = schema.attribute_type(description)
    if attribute_type is None or attribute_type.syntax != _INTEGER_SYNTAX:
        raise OperationRefused(ResultCode.CONSTRAINT_VIOLATION, f"{description}: its values are no integers")
    try:
        _integer(by)
    except ValueError:
        raise _no_integer(description) from None


def check_attributes(attributes: Attributes, schema: Schema, rules: Rules) -> None:
    """What is wrong with the attributes of an add by themselves. Raises OperationRefused."""
    for description, values in attributes:
        if not values:
            raise OperationRefused(ResultCode.PROTOCOL_ERROR, f"{description}: an attribute has values")
    for description, values in attributes:
        check_description(description)
        rules.values(description, values)
        check_distinct(description, values, schema)
    seen: set[_Name] = set()
    for description, _ in attributes:
        name = name_of(schema, description)
        if name in seen:
            raise OperationRefused(
                ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, f"{description}: more than once in the entry"
            )
        seen.add(name)


def check_description(description: str) -> None:
    """What is no attribute description is no attribute's (RFC 4512 section 2.5). Raises OperationRefused."""
    if not ATTRIBUTE_DESCRIPTION.fullmatch(description):
        raise OperationRefused(ResultCode.UNDEFINED_ATTRIBUTE_TYPE, f"{description!r}: no attribute description")


def check_distinct(description: str, values: Sequence[bytes], schema: Schema) -> None:
    """An attribute has no two values that are equal (RFC 4512 section 2.2). Raises OperationRefused."""
    if len(values) < 2:
        return
    key = key_of(schema, description) or octet_string
    if len({key(value) for value in values}) < len(values):
        raise OperationRefused(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, f"{description}: a value more than once")


def name_of(schema: Schema, description: str) -> _Name:
    """What two descriptions of one attribute have in common."""
    name, *options = description.lower().split(";")
    attribute_type = schema.attribute_type(name)
    return (attribute_type.oid if attribute_type else name), frozenset(options)


def key_of(schema: Schema, description: str) -> Callable[[bytes], Any] | None:
    """The function whose outcomes tell values of a type apart; None for a type that has no equality rule.

    Values of an unknown type are compared as directory strings, and secrets octet by octet. A value that the rule
    cannot read is equal to itself alone.
    """
    if schema.is_secret(description):
        return octet_string
    attribute_type = schema.attribute_type(description)
    if attribute_type is not None and attribute_type.equality is None:
        return None
    rule = _rule(schema, attribute_type)

    def key(value: bytes) -> Any:
        try:
            return rule(value)
        except ValueError:
            return value

    return key


def _rule(schema: Schema, attribute_type: AttributeType | None) -> Callable[[bytes], Any]:
    if attribute_type is None or attribute_type.equality is None:
        return case_ignore
    rule = equality_rule(schema, attribute_type.equality)
    if rule is None:
        return octet_string
    return _name_key if rule.key is distinguished_name else rule.key


# A group of thousands is compared whole whenever one member comes or goes, and a name is dear to read.
_name_key = lru_cache(maxsize=1 << 14)(distinguished_name)


def _cannot_match(description: str) -> OperationRefused:
    # As slapd 2.5 answers: without a rule nobody can say which value is meant, nor whether one is there already.
    return OperationRefused(
        ResultCode.INAPPROPRIATE_MATCHING, f"{description}: no equality rule; replace or delete the whole attribute"
    )


def _not_there(description: str) -> OperationRefused:
    return OperationRefused(ResultCode.NO_SUCH_ATTRIBUTE, f"{description}: a value to delete is not there")


def _no_integer(description: str) -> OperationRefused:
    return OperationRefused(
        ResultCode.INVALID_ATTRIBUTE_SYNTAX, f"{description}: a value is no Integer (RFC 4517 section 3.3.16)"
    )


def _integer(value: bytes) -> int:
    if not value.removeprefix(b"-").isdigit() or len(value) > 1000:
        raise ValueError("not an Integer")
    return int(value)
