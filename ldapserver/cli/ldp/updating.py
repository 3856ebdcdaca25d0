"""Changes sent to a server as they were read, octet by octet and in their order, and what is said of each."""

from typing import TYPE_CHECKING, Any

from ldapserver.cli.ldp.transcript import DASHES, Output, Refused, result_object
from ldapserver.directory.ldif import AddRecord, DeleteRecord, EntryRecord, ModifyDNRecord, ModifyRecord, Record
from ldapserver.printable import printable
from ldapserver.wire.messages import Change, Control

if TYPE_CHECKING:
    from sasl_digest.ldap3 import DigestConnection


def apply(connection: "DigestConnection", record: Record, out: Output) -> Refused | None:
    """Do what a record of LDIF says, and say so; what to raise where it was refused."""
    dn = str(record.dn)
    match record:
        case EntryRecord() | AddRecord():
            controls = record.controls if isinstance(record, AddRecord) else ()
            out.say("***Call Add...")
            out.say(f'ldap_add_s(ld, "{printable(dn)}", [{len(record.attributes)}] attrs)')
            _send(connection, "addRequest", _add_request(dn, record), controls)
            return told(out, connection.result, "add", dn, f"Added {{{printable(dn)}}}.")
        case ModifyRecord():
            out.say("***Call Modify...")
            out.say(f"ldap_modify_s(ld, '{printable(dn)}',[{len(record.changes)}] attrs);")
            _send(connection, "modifyRequest", _modify_request(dn, record.changes), record.controls)
            return told(out, connection.result, "modify", dn, f'Modified "{printable(dn)}".')
        case DeleteRecord():
            return delete(connection, dn, record.controls, out)
        case ModifyDNRecord():
            return _rename(connection, record, out)


def delete(connection: "DigestConnection", dn: str, controls: tuple[Control, ...], out: Output) -> Refused | None:
    """Delete an entry and say so; what to raise where it was refused."""
    out.say(f'ldap_delete_s(ld, "{printable(dn)}");')
    untyped: Any = connection
    untyped.delete(dn, controls=_controls(controls))
    return told(out, connection.result, "delete", dn, f'Deleted "{printable(dn)}"')


def _rename(connection: "DigestConnection", record: ModifyDNRecord, out: Output) -> Refused | None:
    dn, newrdn = str(record.dn), str(record.newrdn)
    parent = None if record.newsuperior is None else str(record.newsuperior)
    shown = "NULL" if parent is None else f'"{printable(parent)}"'
    out.say(
        f'0x0 = ldap_rename_ext_s(ld, "{printable(dn)}", "{printable(newrdn)}", {shown}, '
        f"{'TRUE' if record.deleteoldrdn else 'FALSE'}, NULL, NULL)"
    )
    controls = _controls(record.controls)
    connection.modify_dn(dn, newrdn, delete_old_dn=record.deleteoldrdn, new_superior=parent, controls=controls)
    return told(out, connection.result, "modifydn", dn, f'Renamed "{printable(dn)}".')


def told(out: Output, result: dict[str, Any], operation: str, dn: str, done: str) -> Refused | None:
    """Say how it went, in `done` where it went well; what to raise where it was refused."""
    refused = None
    if result["result"] == 0:
        out.say(done)
    else:
        refused = out.refused(operation.capitalize(), result)
    out.say(DASHES)
    out.object({"dn": dn, "operation": operation, **result_object(result)})
    return refused


def _controls(controls: tuple[Control, ...]) -> list[tuple[str, bool, bytes | None]] | None:
    return [(each.control_type, each.criticality, each.control_value) for each in controls] or None


# ldap3's own add() and modify() take dictionaries, which have no order of changes and no entry without a class.
# Any: its grammar is untyped.


def _send(connection: "DigestConnection", kind: str, request: Any, controls: tuple[Control, ...]) -> None:
    untyped: Any = connection
    untyped.post_send_single_response(untyped.send(kind, request, _controls(controls)))


def _add_request(dn: str, record: EntryRecord | AddRecord) -> Any:
    from ldap3.protocol import rfc4511

    grammar: Any = rfc4511
    attributes = grammar.AttributeList()
    for at, (name, values) in enumerate(record.attributes):
        attributes[at] = _attribute(grammar.Attribute(), name, values)
    request = grammar.AddRequest()
    request["entry"] = grammar.LDAPDN(dn)
    request["attributes"] = attributes
    return request


def _modify_request(dn: str, changes: tuple[Change, ...]) -> Any:
    from ldap3.protocol import rfc4511

    grammar: Any = rfc4511
    listed = grammar.Changes()
    for at, each in enumerate(changes):
        change = grammar.Change()
        change["operation"] = grammar.Operation(int(each.operation))
        held = each.modification
        change["modification"] = _attribute(grammar.PartialAttribute(), held.type, held.values)
        listed[at] = change
    request = grammar.ModifyRequest()
    request["object"] = grammar.LDAPDN(dn)
    request["changes"] = listed
    return request


def _attribute(attribute: Any, name: str, values: tuple[bytes, ...]) -> Any:
    from ldap3.protocol import rfc4511

    grammar: Any = rfc4511
    vals = grammar.Vals()
    for at, value in enumerate(values):
        vals.setComponentByPosition(at, value)
    attribute["type"] = grammar.AttributeDescription(name)
    attribute["vals"] = vals
    return attribute
