"""Where we and slapd answer writes differently on purpose; docs/interop.md gives the reasons, row by row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ldapserver.controls.known import PERMISSIVE_MODIFY, TREE_DELETE
from ldapserver.controls.responses import POST_READ, PRE_READ
from ldapserver.wire.messages import (
    AddRequest,
    Control,
    DelRequest,
    ModifyDNRequest,
    ModifyOperation,
    ModifyRequest,
    Operation,
    PartialAttribute,
    ResultCode,
)
from tests.interop.two_servers import Answer
from tests.interop.write_cases import WRITER


@dataclass(frozen=True)
class Write:
    """A write that the two answered differently, or that left the two different."""

    request: Operation
    controls: tuple[Control, ...]
    by: str
    theirs: Answer
    ours: Answer

    @property
    def codes(self) -> tuple[int, int]:
        """Theirs and ours."""
        return self.theirs.result_code, self.ours.result_code

    @property
    def attributes(self) -> Iterator[PartialAttribute]:
        """Those that are written."""
        if isinstance(self.request, AddRequest):
            yield from self.request.attributes
        elif isinstance(self.request, ModifyRequest):
            yield from (change.modification for change in self.request.changes)

    def has(self, control_type: str) -> bool:
        """Whether there is such a control with the request."""
        return any(control.control_type == control_type for control in self.controls)


@dataclass(frozen=True)
class KnownWrite:
    """One such difference; `name` is its row in docs/interop.md."""

    name: str
    explains: Callable[[Write], bool]


def _may_not(write: Write) -> bool:
    return write.by != WRITER and write.ours.result_code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS


# What slapd may find wrong with the same entry before it looks at its name, or for its being without it.
_INSTEAD_OF_RDN = (
    ResultCode.NAMING_VIOLATION,
    ResultCode.CONSTRAINT_VIOLATION,
    ResultCode.OBJECT_CLASS_VIOLATION,
    ResultCode.OBJECT_CLASS_MODS_PROHIBITED,
)


def _naming_value(write: Write) -> bool:
    theirs, ours = write.codes
    return (
        isinstance(write.request, ModifyRequest)
        and ours == ResultCode.NOT_ALLOWED_ON_RDN
        and theirs in _INSTEAD_OF_RDN
    )


def _no_matched_dn(write: Write) -> bool:
    both = (ResultCode.NO_SUCH_OBJECT, ResultCode.NO_SUCH_OBJECT)
    return isinstance(write.request, ModifyDNRequest) and write.theirs.matched_dn == () and write.codes == both


def _servers_own(write: Write) -> bool:
    both = (ResultCode.ENTRY_ALREADY_EXISTS, ResultCode.UNWILLING_TO_PERFORM)
    return isinstance(write.request, AddRequest) and write.codes == both


def _unknown_option(write: Write) -> bool:
    options = [option for each in write.attributes for option in each.type.split(";")[1:]]
    unknown = any(not option.startswith("lang-") for option in options)
    return unknown and write.codes == (ResultCode.UNDEFINED_ATTRIBUTE_TYPE, ResultCode.SUCCESS)


def _password_as_name(write: Write) -> bool:
    return isinstance(write.request, AddRequest) and write.request.entry.startswith("userPassword=")


def _passwords_shown(write: Write) -> bool:
    return any(each.type == "userPassword" for each in write.attributes) and write.theirs == write.ours


def _tree_delete(write: Write) -> bool:
    return write.has(TREE_DELETE) and write.theirs.result_code == ResultCode.UNAVAILABLE_CRITICAL_EXTENSION


def _permissive(write: Write) -> bool:
    if not write.has(PERMISSIVE_MODIFY) or not isinstance(write.request, ModifyRequest):
        return False
    operations = {change.operation for change in write.request.changes}
    theirs, ours = write.codes
    deleted = theirs == ResultCode.NO_SUCH_ATTRIBUTE and ModifyOperation.DELETE in operations
    return deleted or (ours == ResultCode.NO_SUCH_ATTRIBUTE and ModifyOperation.INCREMENT in operations)


def _large_increment(write: Write) -> bool:
    large = isinstance(write.request, ModifyRequest) and any(
        change.operation is ModifyOperation.INCREMENT and len(change.modification.values[0]) > 19
        for change in write.request.changes
        if change.modification.values
    )
    return large and write.codes == (ResultCode.INVALID_ATTRIBUTE_SYNTAX, ResultCode.SUCCESS)


def _unknown_to_read(write: Write) -> bool:
    reads = write.has(PRE_READ) or write.has(POST_READ)
    return reads and write.codes == (ResultCode.UNDEFINED_ATTRIBUTE_TYPE, ResultCode.SUCCESS)


def _computed_before(write: Write) -> bool:
    gone = isinstance(write.request, DelRequest | ModifyDNRequest) and write.codes == (0, 0)
    computed = {
        name
        for (_, _, theirs), (_, _, ours) in zip(
            sorted(write.theirs.read, key=str), sorted(write.ours.read, key=str), strict=False
        )
        for name, _ in theirs ^ ours
    }
    return gone and write.has(PRE_READ) and computed == {"hassubordinates"}


KNOWN_WRITES: tuple[KnownWrite, ...] = (
    KnownWrite("who may not write", _may_not),
    KnownWrite("taking away the value that names an entry", _naming_value),
    KnownWrite("renames of what is not there", _no_matched_dn),
    KnownWrite("the root DSE and the subschema, added", _servers_own),
    KnownWrite("attribute options of any name, written", _unknown_option),
    KnownWrite("passwords as names", _password_as_name),
    KnownWrite("passwords, shown to who wrote them", _passwords_shown),
    KnownWrite("deleting a subtree", _tree_delete),
    KnownWrite("permissive modify beyond what is there already", _permissive),
    KnownWrite("increments beyond 64 bits", _large_increment),
    KnownWrite("unknown attributes to be read", _unknown_to_read),
    KnownWrite("hasSubordinates of an entry as it was", _computed_before),
)


def known_write(write: Write) -> KnownWrite | None:
    """The first that fits."""
    return next((known for known in KNOWN_WRITES if known.explains(write)), None)
