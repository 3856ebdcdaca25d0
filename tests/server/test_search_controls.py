"""Which entries a search sees and which of their values: subentries, referral objects, matched values, assertions."""

import pytest

from ldapserver.wire.messages import (
    AddRequest,
    CompareRequest,
    CompareResponse,
    Control,
    DelRequest,
    ExtendedRequest,
    ExtendedResponse,
    ModifyDNRequest,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    Scope,
    SearchResultDone,
)
from tests.server.searching import (
    DOMAIN_SCOPE,
    MANAGE_DSA_IT,
    SUBENTRIES,
    Outcome,
    acting_as,
    assertion,
    find,
    matched,
    paged,
)
from tests.server.stage import LDIF, U1, WHO_AM_I, Stage, search, simple, stage

BASE = "dc=contoso,dc=com"
PEOPLE = f"ou=people,{BASE}"
U2 = f"uid=u2,{PEOPLE}"


def bound(ldif: str = LDIF, user: str = "u1", password: str = "password", **settings: object) -> Stage:
    """A session that is somebody's."""
    on = stage(ldif, **settings)  # type: ignore[arg-type]  # settings are those of Config
    assert on.bind(simple(user, password)).result_code is ResultCode.SUCCESS
    return on


# Subentries

WITH_SUBENTRIES = LDIF + (
    f"\ndn: cn=policy,{BASE}\nobjectClass: subentry\nobjectClass: extensibleObject\ncn: policy\n"
    "subtreeSpecification: {}\n"
    f"\ndn: cn=old policy,{PEOPLE}\nobjectClass: top\nobjectClass: ldapSubEntry\ncn: old policy\n"
)
SUBENTRY_NAMES = {f"cn=policy,{BASE}", f"cn=old policy,{PEOPLE}"}
ONLY, NONE = (Control(SUBENTRIES, True, b"\x01\x01" + value) for value in (b"\xff", b"\x00"))


@pytest.mark.parametrize(
    ("base", "scope", "controls", "seen", "others"),
    [
        (BASE, Scope.WHOLE_SUBTREE, (), 0, 10),
        (BASE, Scope.SINGLE_LEVEL, (), 0, 1),
        (f"cn=policy,{BASE}", Scope.BASE_OBJECT, (), 1, 0),
        (f"cn=policy,{BASE}", Scope.WHOLE_SUBTREE, (), 0, 0),
        (BASE, Scope.WHOLE_SUBTREE, (ONLY,), 2, 0),
        (BASE, Scope.SINGLE_LEVEL, (ONLY,), 1, 0),
        (f"cn=policy,{BASE}", Scope.BASE_OBJECT, (ONLY,), 1, 0),
        (BASE, Scope.BASE_OBJECT, (ONLY,), 0, 0),
        (BASE, Scope.WHOLE_SUBTREE, (NONE,), 0, 10),
        (f"cn=policy,{BASE}", Scope.BASE_OBJECT, (NONE,), 0, 0),
    ],
)
def test_subentries_are_seen_by_who_asks_for_them_or_names_them(
    base: str, scope: Scope, controls: tuple[Control, ...], seen: int, others: int
) -> None:
    found = find(bound(WITH_SUBENTRIES), search(base, scope), *controls)
    assert found.code is ResultCode.SUCCESS
    assert len(SUBENTRY_NAMES & set(found.names)) == seen
    assert len(set(found.names) - SUBENTRY_NAMES) == others


# Referral objects

REF = f"ou=far,{PEOPLE}"
WITH_REFERRALS = LDIF + (
    f"\ndn: {REF}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\n"
    "ref: ldap://one.example/ou=away,dc=example label\nref: ldaps://two.example:637/\n"
    f"\ndn: uid=hidden,{REF}\nobjectClass: account\nuid: hidden\n"
    f"\ndn: cn=other,{BASE}\nobjectClass: top\nobjectClass: REFERRAL\ncn: other\nref: http://elsewhere.example/x\n"
    f"\ndn: cn=deeper,cn=other,{BASE}\nobjectClass: referral\ncn: deeper\nref: ldap://unseen.example\n"
)
MANAGE = Control(MANAGE_DSA_IT, True)
AWAY = ("ldap://one.example/ou=away,dc=example", f"ldaps://two.example:637/{REF}")


def references(scope: str) -> tuple[str, ...]:
    return tuple(f"{uri}??{scope}" for uri in AWAY)


@pytest.mark.parametrize(
    ("base", "scope", "expected"),
    [
        (BASE, Scope.WHOLE_SUBTREE, [references("sub"), ("http://elsewhere.example/x",)]),
        (PEOPLE, Scope.WHOLE_SUBTREE, [references("sub")]),
        (PEOPLE, Scope.SINGLE_LEVEL, [references("base")]),
        (BASE, Scope.SINGLE_LEVEL, [("http://elsewhere.example/x",)]),
        (BASE, Scope.BASE_OBJECT, []),
        (U1, Scope.WHOLE_SUBTREE, []),
    ],
)
@pytest.mark.parametrize("filter", ["(objectClass=*)", "(uid=u1)"])
def test_a_search_refers_to_what_it_does_not_hold_whatever_the_filter(
    base: str, scope: Scope, expected: list[tuple[str, ...]], filter: str
) -> None:
    on = bound(WITH_REFERRALS)
    found = find(on, search(base, scope, filter))
    assert (found.code, found.references) == (ResultCode.SUCCESS, expected)
    assert not any(REF in name or "cn=other" in name for name in found.names)
    assert found.names == find(bound(), search(base, scope, filter)).names
    assert find(on, search(base, scope, filter), Control(DOMAIN_SCOPE, True)).references == []
    # Of a search in pages the references are told once.
    first = find(on, search(base, scope, filter), paged(1))
    told = list(first.references)
    while first.page[1]:
        first = find(on, search(base, scope, filter), paged(1, first.page[1]))
        told += first.references
    assert told == expected


def test_manage_dsa_it_takes_a_referral_object_for_the_entry_it_is() -> None:
    found = find(bound(WITH_REFERRALS), search(), MANAGE)
    assert (found.references, len(found.entries)) == ([], 14)
    named = find(bound(WITH_REFERRALS), search(REF, Scope.BASE_OBJECT, attributes=("ref",)), MANAGE)
    assert named.values("ref") == [(b"ldap://one.example/ou=away,dc=example label", b"ldaps://two.example:637/")]


@pytest.mark.parametrize(
    ("scope", "word"),
    [(Scope.BASE_OBJECT, "base"), (Scope.SINGLE_LEVEL, "one"), (Scope.WHOLE_SUBTREE, "sub")],
)
def test_a_search_at_or_below_a_referral_object_is_referred(scope: Scope, word: str) -> None:
    on = bound(WITH_REFERRALS)
    assert find(on, search(REF, scope)).done == referred(REF, references(word))
    below = tuple(
        f"{uri}??{word}"
        for uri in ("ldap://one.example/cn=a%20b,ou=away,dc=example", f"ldaps://two.example:637/cn=a%20b,{REF}")
    )
    assert find(on, search(f"cn=a b,{REF}", scope)).done == referred(REF, below)


def referred(matched_dn: str, referral: tuple[str, ...]) -> SearchResultDone:
    return SearchResultDone(ResultCode.REFERRAL, matched_dn, "", referral)


@pytest.mark.parametrize(
    "operation",
    [
        CompareRequest(f"cn=x,{REF}", "cn", b"x"),
        AddRequest(f"cn=x,{REF}", (PartialAttribute("cn", (b"x",)),)),
        ModifyRequest(f"cn=x,{REF}", ()),
        DelRequest(f"cn=x,{REF}"),
        ModifyDNRequest(f"cn=x,{REF}", "cn=y", True),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_every_operation_below_a_referral_object_is_referred(operation: CompareRequest) -> None:
    on = bound(WITH_REFERRALS)
    answer = on.ask(operation)
    assert (answer.result_code, answer.matched_dn) == (ResultCode.REFERRAL, REF)
    assert answer.referral == ("ldap://one.example/cn=x,ou=away,dc=example", f"ldaps://two.example:637/cn=x,{REF}")
    assert on.ask(operation, (MANAGE,)).result_code is not ResultCode.REFERRAL


def test_an_entry_is_not_moved_below_a_referral_object() -> None:
    on = bound(WITH_REFERRALS)
    assert on.ask(ModifyDNRequest(U1, "uid=u1", False, REF)).result_code is ResultCode.AFFECTS_MULTIPLE_DSAS


def test_a_referral_object_without_a_ref_leads_nowhere() -> None:
    on = bound(LDIF + f"\ndn: cn=r,{BASE}\nobjectClass: referral\ncn: r\n")
    assert find(on, search(f"cn=r,{BASE}")).code is ResultCode.OTHER
    assert (find(on, search()).code, find(on, search()).references) == (ResultCode.SUCCESS, [])


def test_anonymous_is_not_told_where_entries_are() -> None:
    on = stage(WITH_REFERRALS)
    assert find(on, search(REF)).code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert on.ask(CompareRequest(REF, "cn", b"x")).result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


# Matched values

MANY_VALUES = LDIF + (
    f"\ndn: cn=many,{BASE}\nobjectClass: device\ncn: many\ncn: more\ncn;lang-de: mehr\n"
    "description: One\ndescription: Two\ndescription: Three\nserialNumber: 10\n"
)


def shown(
    *items: str, attributes: tuple[str, ...] = ("*",), types_only: bool = False
) -> dict[str, tuple[bytes, ...]]:
    request = search(f"cn=many,{BASE}", Scope.BASE_OBJECT, attributes=attributes, types_only=types_only)
    (entry,) = find(bound(MANY_VALUES), request, matched(*items)).entries
    return {attribute.type: attribute.values for attribute in entry.attributes}


@pytest.mark.parametrize(
    ("items", "values"),
    [
        (("(description=two)",), {"description": (b"Two",)}),
        (("(description=t*)",), {"description": (b"Two", b"Three")}),
        (("(description=one)", "(description=*ee)"), {"description": (b"One", b"Three")}),
        (("(description=one)", "(serialNumber=*)"), {"description": (b"One",), "serialNumber": (b"10",)}),
        (("(cn=m*)",), {"cn": (b"many", b"more"), "cn;lang-de": (b"mehr",)}),
        (("(cn;lang-de=*)",), {"cn;lang-de": (b"mehr",)}),
        (("(name=more)",), {"cn": (b"more",)}),
        (("(:caseExactMatch:=One)",), {"description": (b"One",)}),
        (("(description=four)",), {}),
        (("(noSuchType=x)",), {}),
    ],
)
def test_only_matched_values_are_returned(items: tuple[str, ...], values: dict[str, tuple[bytes, ...]]) -> None:
    assert shown(*items) == values


def test_matched_values_have_no_effect_where_no_values_are_asked_for() -> None:
    assert set(shown("(cn=x)", types_only=True)) == {"objectClass", "cn", "cn;lang-de", "description", "serialNumber"}
    assert shown("(cn=*)", attributes=("1.1",)) == {}
    assert shown("(description=two)", attributes=("cn",)) == {}


def test_matched_values_do_not_choose_entries() -> None:
    found = find(bound(MANY_VALUES), search(filter="(sn=*)"), matched("(cn=nobody)"))
    assert len(found.entries) == 8
    assert all(entry.attributes == () for entry in found.entries)


def test_no_filter_of_values_guesses_a_password() -> None:
    found = find(
        bound(), search(U1, Scope.BASE_OBJECT, attributes=("*", "userPassword")), matched("(userPassword=*)")
    )
    assert found.entries[0].attributes == ()


# What a selector means


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (("@person",), {"objectClass", "cn", "cn;lang-de", "sn"}),
        (("@PERSON", "mail"), {"objectClass", "cn", "cn;lang-de", "sn", "mail"}),
        (("@2.5.6.6",), {"objectClass", "cn", "cn;lang-de", "sn"}),
        (("@inetOrgPerson",), {"objectClass", "cn", "cn;lang-de", "sn", "mail", "uid"}),
        (("@noSuchClass",), set()),
        (("@person;lang-de",), {"cn;lang-de"}),
        (("cn;lang-",), {"cn;lang-de"}),
        (("cn;lang-de-",), {"cn;lang-de"}),
        (("cn;lang-d-",), set()),
        (("cn;LANG-DE-",), {"cn;lang-de"}),
    ],
)
def test_classes_and_language_ranges_select_attributes(attributes: tuple[str, ...], expected: set[str]) -> None:
    found, _ = bound().search(search(U1, Scope.BASE_OBJECT, attributes=attributes))
    assert set(found[U1]) == expected


@pytest.mark.parametrize(
    ("tags", "filter", "found"),
    [
        (("lang-de-at",), "(cn;lang-de-=x)", 1),
        (("lang-de",), "(cn;lang-de-=x)", 1),
        (("lang-den",), "(cn;lang-de-=x)", 0),
        (("lang-de-at",), "(cn;lang-de=x)", 0),
        (("lang-de",), "(cn;lang-=x)", 1),
        ((), "(cn;lang-=x)", 0),
    ],
)
def test_a_language_range_in_a_filter_is_every_tag_that_begins_so(
    tags: tuple[str, ...], filter: str, found: int
) -> None:
    description = ";".join(("cn", *tags))
    on = bound(LDIF + f"\ndn: serialNumber=1,{BASE}\nobjectClass: device\nserialNumber: 1\n{description}: x\n")
    assert len(on.search(search(filter=filter))[0]) == found


# Assertions


@pytest.mark.parametrize(
    ("filter", "code"),
    [
        ("(sn=one)", ResultCode.SUCCESS),
        ("(sn=two)", ResultCode.ASSERTION_FAILED),
        ("(noSuchType=x)", ResultCode.ASSERTION_FAILED),
        ("(hasSubordinates=FALSE)", ResultCode.SUCCESS),
        ("(userPassword=*)", ResultCode.ASSERTION_FAILED),
    ],
)
def test_a_search_or_compare_is_carried_out_if_the_assertion_is_true_of_its_target(
    filter: str, code: ResultCode
) -> None:
    on = bound()
    found = find(on, search(U1, Scope.BASE_OBJECT), assertion(filter))
    assert (found.code, len(found.entries)) == (code, code is ResultCode.SUCCESS)
    compared = on.ask(CompareRequest(U1, "sn", b"one"), (assertion(filter),))
    assert compared.result_code is (ResultCode.COMPARE_TRUE if code is ResultCode.SUCCESS else code)


def test_the_target_of_a_search_is_its_base_and_not_what_it_finds() -> None:
    on = bound()
    assert len(find(on, search(filter="(uid=u1)"), assertion("(dc=contoso)")).entries) == 1
    assert find(on, search(filter="(uid=u1)"), assertion("(uid=u1)")).code is ResultCode.ASSERTION_FAILED


def test_an_assertion_about_the_root_dse() -> None:
    on = stage()
    request = search("", Scope.BASE_OBJECT)
    assert find(on, request, assertion("(supportedFeatures=1.3.6.1.1.14)")).names == [""]
    assert find(on, request, assertion("(supportedFeatures=1.2.3)")).code is ResultCode.ASSERTION_FAILED
    assert find(bound(), search(""), assertion("(supportedFeatures=1.3.6.1.1.14)")).code is ResultCode.SUCCESS


def test_anonymous_learns_nothing_from_an_assertion() -> None:
    for filter in ("(sn=one)", "(sn=two)"):
        assert find(stage(), search(U1), assertion(filter)).code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


def test_an_assertion_of_an_add_is_about_the_entry_to_be() -> None:
    on = bound(admins=(U1,))
    attributes = (PartialAttribute("objectClass", (b"device",)), PartialAttribute("cn", (b"new",)))
    request = AddRequest(f"cn=new,{BASE}", attributes)
    assert on.ask(request, (assertion("(cn=old)"),)).result_code is ResultCode.ASSERTION_FAILED
    assert on.ask(request, (assertion("(cn=new)"),)).result_code is ResultCode.SUCCESS


# Proxied authorization

MAY_ACT = LDIF.replace(
    "userPassword: password\n\ndn: uid=u2", f"userPassword: password\nauthzTo: dn:{U2}\n\ndn: uid=u2"
)


def who(on: Stage, *controls: Control) -> tuple[ResultCode | int, bytes | None]:
    answer = on.ask(ExtendedRequest(WHO_AM_I), controls)
    assert isinstance(answer, ExtendedResponse)
    return answer.result_code, answer.response_value


@pytest.mark.parametrize("authzid", [f"dn:{U2}", "u:u2", "u:u2@contoso.com"])
def test_an_account_acts_as_whom_its_authz_to_names_for_one_operation(authzid: str) -> None:
    on = bound(MAY_ACT)
    assert who(on, acting_as(authzid)) == (ResultCode.SUCCESS, f"dn:{U2}".encode())
    assert who(on) == (ResultCode.SUCCESS, f"dn:{U1}".encode())


@pytest.mark.parametrize("authzid", ["u:jürgen", "u:nobody-of-this-name", "u2", "dn:no dn", "x:y", "u:"])
def test_nobody_else_is_acted_as(authzid: str) -> None:
    code, value = who(bound(MAY_ACT), acting_as(authzid))
    assert (code, value) == (ResultCode.AUTHORIZATION_DENIED, None)


def test_an_account_without_authz_to_and_anonymous_act_as_themselves() -> None:
    assert who(bound(), acting_as("u:u2"))[0] is ResultCode.AUTHORIZATION_DENIED
    assert who(bound(), acting_as("u:u1")) == (ResultCode.SUCCESS, f"dn:{U1}".encode())
    assert who(stage(), acting_as("u:u1"))[0] is ResultCode.AUTHORIZATION_DENIED
    assert who(stage(), acting_as("")) == (ResultCode.SUCCESS, b"")


def test_an_administrator_acts_as_anybody_and_is_none_then() -> None:
    on = bound(admins=(U1,))
    assert who(on, acting_as("u:u2")) == (ResultCode.SUCCESS, f"dn:{U2}".encode())
    assert who(on, acting_as("u:nobody-of-this-name"))[0] is ResultCode.AUTHORIZATION_DENIED
    request = search(f"uid=salted,{PEOPLE}", Scope.BASE_OBJECT, attributes=("userPasswordScheme",))
    assert find(on, request).values("userPasswordScheme") == [(b"SSHA",)]
    assert find(on, request, acting_as("u:u2")).values("userPasswordScheme") == [()]


@pytest.mark.parametrize("authzid", ["", "dn:"])
def test_to_act_as_nobody_is_to_be_anonymous(authzid: str) -> None:
    on = bound()
    assert who(on, acting_as(authzid)) == (ResultCode.SUCCESS, b"")
    refused: Outcome = find(on, search(), acting_as(authzid))
    assert refused.code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    compared = on.ask(CompareRequest(U1, "sn", b"one"), (acting_as(authzid),))
    assert compared == CompareResponse(ResultCode.INSUFFICIENT_ACCESS_RIGHTS, "", compared.diagnostic_message)


def test_pages_are_of_who_began_them() -> None:
    on = bound(MAY_ACT)
    cookie = find(on, search(), paged(2), acting_as("u:u2")).page[1]
    assert find(on, search(), paged(2, cookie)).code is ResultCode.UNWILLING_TO_PERFORM
