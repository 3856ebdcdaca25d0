"""Our codec beside an independent grammar: `ldap3.protocol.rfc4511`, read and written by pyasn1.

Each message is stated once more in plain values under the names of the ASN.1, and from these pyasn1 builds its own
object. ldap3's grammar can write `and`, `or` and `not` and cannot read them, so these are compared as octets only.
"""

import warnings
from typing import Any  # pyasn1's objects: what they hold is decided by a schema, which no annotation can follow

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type.univ import Boolean, Choice, Integer, Null, Sequence, SequenceOf, SetOf

from ldapserver.wire import filters as f
from ldapserver.wire import messages as m
from ldapserver.wire.codec import decode, encode

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9.1 asks pyasn1 for names it has renamed
    from ldap3.protocol import rfc4511
    from ldap3.utils import asn1

# pyasn1's encoder, but with TRUE as ff; types-ldap3 has left it out.
encode_as_ldap3: Any = asn1.encode  # type: ignore[attr-defined]

# A value in the names of the ASN.1: SEQUENCE is a dict, SEQUENCE OF and SET OF a list, CHOICE a (name, value) pair.
Plain = Any


# The generated messages

text = st.text(max_size=6)
name = st.text(min_size=1, max_size=6)
octets = st.binary(max_size=6) | st.binary(min_size=120, max_size=300)
integers = st.integers(0, 3) | st.integers(0, m.MAX_INT)
attributes = st.lists(st.builds(m.PartialAttribute, name, st.lists(octets, max_size=3).map(tuple)), max_size=3).map(
    tuple
)
full_attributes = st.lists(
    st.builds(m.PartialAttribute, name, st.lists(octets, min_size=1, max_size=3).map(tuple)), max_size=3
).map(tuple)
uris = st.lists(text, min_size=1, max_size=3).map(tuple)
result = (
    st.sampled_from(m.ResultCode) | st.integers(200, 70000),
    text,
    text,
    st.just(()) | uris,
)

substrings = st.builds(
    f.Substrings, name, st.none() | octets, st.lists(octets, max_size=3).map(tuple), st.none() | octets
).filter(lambda item: item.initial is not None or item.final is not None or item.any != ())
extensible = st.builds(f.Extensible, st.none() | name, st.none() | name, octets, st.booleans()).filter(
    lambda item: item.matching_rule is not None or item.attribute is not None
)
items: st.SearchStrategy[f.Filter] = st.one_of(
    st.builds(f.Equality, name, octets),
    st.builds(f.GreaterOrEqual, name, octets),
    st.builds(f.LessOrEqual, name, octets),
    st.builds(f.Approximate, name, octets),
    st.builds(f.Present, name),
    substrings,
    extensible,
)


def combined(inner: st.SearchStrategy[f.Filter]) -> st.SearchStrategy[f.Filter]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.builds(f.And, several) | st.builds(f.Or, several) | st.builds(f.Not, inner)


any_filter = st.recursive(items, combined, max_leaves=5)

OPERATIONS: dict[type[m.Operation], st.SearchStrategy[m.Operation]] = {
    m.BindRequest: st.builds(
        m.BindRequest,
        st.integers(1, 127),
        text,
        st.builds(m.SimpleAuthentication, octets) | st.builds(m.SaslAuthentication, text, st.none() | octets),
    ),
    m.BindResponse: st.builds(m.BindResponse, *result, st.none() | octets),
    m.UnbindRequest: st.builds(m.UnbindRequest),
    m.SearchRequest: st.builds(
        m.SearchRequest,
        text,
        st.sampled_from(m.Scope),
        st.sampled_from(m.DerefAliases),
        integers,
        integers,
        st.booleans(),
        any_filter,
        st.lists(text, max_size=3).map(tuple),
    ),
    m.SearchResultEntry: st.builds(m.SearchResultEntry, text, attributes),
    m.SearchResultDone: st.builds(m.SearchResultDone, *result),
    m.SearchResultReference: st.builds(m.SearchResultReference, uris),
    m.ModifyRequest: st.builds(
        m.ModifyRequest,
        text,
        st.lists(
            st.builds(
                m.Change,
                st.sampled_from(m.ModifyOperation),
                st.builds(m.PartialAttribute, name, st.lists(octets, max_size=3).map(tuple)),
            ),
            max_size=3,
        ).map(tuple),
    ),
    m.ModifyResponse: st.builds(m.ModifyResponse, *result),
    m.AddRequest: st.builds(m.AddRequest, text, full_attributes),
    m.AddResponse: st.builds(m.AddResponse, *result),
    m.DelRequest: st.builds(m.DelRequest, text),
    m.DelResponse: st.builds(m.DelResponse, *result),
    m.ModifyDNRequest: st.builds(m.ModifyDNRequest, text, text, st.booleans(), st.none() | text),
    m.ModifyDNResponse: st.builds(m.ModifyDNResponse, *result),
    m.CompareRequest: st.builds(m.CompareRequest, text, name, octets),
    m.CompareResponse: st.builds(m.CompareResponse, *result),
    m.AbandonRequest: st.builds(m.AbandonRequest, integers),
    m.ExtendedRequest: st.builds(m.ExtendedRequest, name, st.none() | octets),
    m.ExtendedResponse: st.builds(m.ExtendedResponse, *result, st.none() | name, st.none() | octets),
    m.IntermediateResponse: st.builds(m.IntermediateResponse, st.none() | name, st.none() | octets),
}

controls = st.lists(st.builds(m.Control, name, st.booleans(), st.none() | octets), max_size=2).map(tuple)
message_ids = st.integers(1, 300) | st.integers(1, m.MAX_INT)


# The same message in the names of the ASN.1


def present(**components: Plain) -> Plain:
    return {component.rstrip("_"): value for component, value in components.items() if value is not None}


def plain_attributes(attributes: tuple[m.PartialAttribute, ...]) -> Plain:
    return [{"type": each.type.encode(), "vals": list(each.values)} for each in attributes]


def plain_result(response: m.LDAPResult) -> Plain:
    return present(
        resultCode=int(response.result_code),
        matchedDN=response.matched_dn.encode(),
        diagnosticMessage=response.diagnostic_message.encode(),
        referral=[uri.encode() for uri in response.referral] or None,
    )


def optional(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def plain_filter(filter: f.Filter) -> Plain:
    match filter:
        case f.And(inner):
            return "and", [plain_filter(each) for each in inner]
        case f.Or(inner):
            return "or", [plain_filter(each) for each in inner]
        case f.Not(only):
            return "notFilter", ("innerNotFilter", plain_filter(only))
        case f.Present(attribute):
            return "present", attribute.encode()
        case f.Substrings(attribute, initial, middle, final):
            parts: list[Plain] = [("any", part) for part in middle]
            parts[:0] = [] if initial is None else [("initial", initial)]
            parts += [] if final is None else [("final", final)]
            return "substringFilter", {"type": attribute.encode(), "substrings": parts}
        case f.Extensible(rule, description, value, dn_attributes):
            return "extensibleMatch", present(
                matchingRule=optional(rule), type=optional(description), matchValue=value, dnAttributes=dn_attributes
            )
    choice = {
        f.Equality: "equalityMatch",
        f.GreaterOrEqual: "greaterOrEqual",
        f.LessOrEqual: "lessOrEqual",
        f.Approximate: "approxMatch",
    }[type(filter)]
    return choice, {"attributeDesc": filter.attribute.encode(), "assertionValue": filter.value}


def plain_operation(operation: m.Operation) -> Plain:
    match operation:
        case m.BindRequest(version, bind_name, authentication):
            choice: Plain
            if isinstance(authentication, m.SimpleAuthentication):
                choice = ("simple", authentication.password)
            else:
                mechanism = authentication.mechanism.encode()
                choice = ("sasl", present(mechanism=mechanism, credentials=authentication.credentials))
            return "bindRequest", {"version": version, "name": bind_name.encode(), "authentication": choice}
        case m.BindResponse():
            return "bindResponse", plain_result(operation) | present(serverSaslCreds=operation.server_sasl_creds)
        case m.UnbindRequest():
            return "unbindRequest", b""
        case m.SearchRequest():
            return "searchRequest", {
                "baseObject": operation.base_object.encode(),
                "scope": int(operation.scope),
                "derefAliases": int(operation.deref_aliases),
                "sizeLimit": operation.size_limit,
                "timeLimit": operation.time_limit,
                "typesOnly": operation.types_only,
                "filter": plain_filter(operation.filter),
                "attributes": [selector.encode() for selector in operation.attributes],
            }
        case m.SearchResultEntry(object_name, found):
            return "searchResEntry", {"object": object_name.encode(), "attributes": plain_attributes(found)}
        case m.SearchResultReference(references):
            return "searchResRef", [uri.encode() for uri in references]
        case m.ModifyRequest(modified, changes):
            return "modifyRequest", {
                "object": modified.encode(),
                "changes": [
                    {
                        "operation": int(change.operation),
                        "modification": plain_attributes((change.modification,))[0],
                    }
                    for change in changes
                ],
            }
        case m.AddRequest(entry, added):
            return "addRequest", {"entry": entry.encode(), "attributes": plain_attributes(added)}
        case m.DelRequest(entry):
            return "delRequest", entry.encode()
        case m.ModifyDNRequest(entry, newrdn, deleteoldrdn, new_superior):
            return "modDNRequest", present(
                entry=entry.encode(),
                newrdn=newrdn.encode(),
                deleteoldrdn=deleteoldrdn,
                newSuperior=optional(new_superior),
            )
        case m.CompareRequest(entry, description, value):
            ava = {"attributeDesc": description.encode(), "assertionValue": value}
            return "compareRequest", {"entry": entry.encode(), "ava": ava}
        case m.AbandonRequest(message_id):
            return "abandonRequest", message_id
        case m.ExtendedRequest(request_name, request_value):
            return "extendedReq", present(requestName=request_name.encode(), requestValue=request_value)
        case m.ExtendedResponse():
            return "extendedResp", plain_result(operation) | present(
                responseName=optional(operation.response_name), responseValue=operation.response_value
            )
        case m.IntermediateResponse(response_name, response_value):
            return "intermediateResponse", present(responseName=optional(response_name), responseValue=response_value)
    choices: dict[type[m.Operation], str] = {
        m.SearchResultDone: "searchResDone",
        m.ModifyResponse: "modifyResponse",
        m.AddResponse: "addResponse",
        m.DelResponse: "delResponse",
        m.ModifyDNResponse: "modDNResponse",
        m.CompareResponse: "compareResponse",
    }
    return choices[type(operation)], plain_result(operation)


def plain_message(message: m.LDAPMessage) -> Plain:
    return present(
        messageID=message.message_id,
        protocolOp=plain_operation(message.operation),
        controls=[
            present(
                controlType=each.control_type.encode(), criticality=each.criticality, controlValue=each.control_value
            )
            for each in message.controls
        ]
        or None,
    )


# Plain values to pyasn1's objects and back, knowing nothing of LDAP


def filled(schema: Any, plain: Plain) -> Any:
    """An object of `schema` with the value `plain`."""
    asn1_object: Any = schema.clone()
    if isinstance(schema, SequenceOf | SetOf):
        asn1_object.clear()  # "empty" is not "without a value"
        for each in plain:
            asn1_object.append(filled(asn1_object.componentType, each))
        return asn1_object
    if isinstance(schema, Sequence | Choice):
        for component_name, value in dict([plain] if isinstance(schema, Choice) else plain).items():
            # ldap3 completes these classes after it has made the objects that stand in its grammar.
            late: Any = {"and": rfc4511.And, "or": rfc4511.Or, "notFilter": rfc4511.Not}.get(component_name)
            component: Any = late() if late else asn1_object.componentType[component_name].asn1Object
            asn1_object[component_name] = filled(component, value)
        return asn1_object
    return schema.clone(plain)


def plain_value(asn1_object: Any) -> Plain:
    """The plain value that `asn1_object` has."""
    if isinstance(asn1_object, SequenceOf | SetOf):
        return [plain_value(each) for each in asn1_object]
    if isinstance(asn1_object, Choice):
        return asn1_object.getName(), plain_value(asn1_object.getComponent())
    if isinstance(asn1_object, Sequence):
        return {key: plain_value(value) for key, value in asn1_object.items() if value.hasValue()}
    if isinstance(asn1_object, Boolean):
        return bool(asn1_object)
    if isinstance(asn1_object, Null):
        return b""
    return int(asn1_object) if isinstance(asn1_object, Integer) else bytes(asn1_object)


def with_long_lengths(element: bytes) -> bytes:
    """The elements in `element` with the length that Windows writes always: 84 and four octets."""
    rewritten = b""
    while element:
        tag, length, start = element[0], element[1], 2
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(element[2:start])
        contents, element = element[start : start + length], element[start + length :]
        if tag & 0x20:
            contents = with_long_lengths(contents)
        rewritten += bytes([tag, 0x84]) + len(contents).to_bytes(4) + contents
    return rewritten


every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)


def messages_of(operation: type[m.Operation]) -> st.SearchStrategy[m.LDAPMessage]:
    return st.builds(m.LDAPMessage, message_ids, OPERATIONS[operation], controls)


def test_every_operation_is_generated() -> None:
    assert set(OPERATIONS) == set(m.Operation.__args__)


@every_operation
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_pyasn1_writes_and_reads_the_same_octets(operation: type[m.Operation], data: st.DataObject) -> None:
    message = data.draw(messages_of(operation))
    ours = encode(message)
    theirs = filled(rfc4511.LDAPMessage(), plain_message(message))
    assert encode_as_ldap3(theirs) == ours
    operation_sent = message.operation
    if not (isinstance(operation_sent, m.SearchRequest) and isinstance(operation_sent.filter, f.And | f.Or | f.Not)):
        read, rest = decoder.decode(ours, asn1Spec=rfc4511.LDAPMessage())
        assert rest == b""
        assert plain_value(read) == plain_message(message)


@every_operation
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_pyasn1_writes_is_read_as_the_same_message(operation: type[m.Operation], data: st.DataObject) -> None:
    message = data.draw(messages_of(operation))
    theirs = encoder.encode(filled(rfc4511.LDAPMessage(), plain_message(message)))
    assert decode(theirs) == message


@every_operation
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_lengths_of_four_octets_everywhere_give_the_same_message(
    operation: type[m.Operation], data: st.DataObject
) -> None:
    message = data.draw(messages_of(operation))
    ours = encode(message)
    assert decode(ours) == message
    assert decode(with_long_lengths(ours)) == message
