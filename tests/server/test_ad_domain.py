"""The example domain as its clients see it: every shape of Active Directory, by requests and answers."""

from uuid import UUID

import pytest

from ldapserver.directory.ad.sid import domain_sid, parse_sid, sid_text
from ldapserver.wire.dn import DN
from ldapserver.wire.filters import parse_filter
from ldapserver.wire.messages import CompareRequest, DelRequest, ResultCode, Scope

from .domain import (
    ADD,
    ADMIN,
    ALICE,
    ALL_HANDS,
    BASE,
    BOB,
    DELETE,
    ENGINEERS,
    EXAMPLE,
    REPLACE,
    RESEARCH,
    U1,
    Domain,
    directory,
)
from .searching import assertion
from .stage import search, simple
from .test_directory import run

CONTOSO = sid_text(domain_sid("contoso.com"))
AGGREGATE = f"CN=Aggregate,CN=Schema,CN=Configuration,{BASE}"

# Root DSE


def test_root_dse_of_a_domain_controller() -> None:
    root = Domain(name="", protected=False).read("", "*")
    assert root["defaultNamingContext"] == root["rootDomainNamingContext"] == root["namingContexts"] == [BASE]
    assert root["configurationNamingContext"] == [f"CN=Configuration,{BASE}"]
    assert root["schemaNamingContext"] == [f"CN=Schema,CN=Configuration,{BASE}"]
    assert root["ldapServiceName"] == ["contoso.com:ldap1$@CONTOSO.COM"]
    assert root["dnsHostName"] == ["ldap1.contoso.com"]
    assert (
        root["domainFunctionality"] == root["forestFunctionality"] == root["domainControllerFunctionality"] == ["7"]
    )
    assert "1.2.840.113556.1.4.800" in root["supportedCapabilities"]
    assert "1.2.840.113556.1.4.802" in root["supportedControl"]  # of ranges
    assert "1.2.840.113556.1.4.319" in root["supportedControl"]
    assert root["currentTime"] == ["20260102030405.0Z"]
    assert "DIGEST-MD5" in root["supportedSASLMechanisms"]


def test_every_attribute_of_the_root_dse_can_be_asked_for() -> None:
    domain = Domain()
    for name, values in domain.read("", "*").items():
        assert domain.read("", name) == {name: values}


def test_highest_committed_usn_counts_updates_and_entries_say_theirs() -> None:
    domain = Domain()

    def highest() -> int:
        return int(domain.read("", "highestCommittedUSN")["highestCommittedUSN"][0])

    before = highest()
    assert domain.modify(BOB, (REPLACE, "title", ["Baker"])).result_code is ResultCode.SUCCESS
    assert highest() == before + 1
    entry = domain.read(BOB, "uSNChanged", "uSNCreated")
    assert entry["uSNChanged"] == [str(before + 1)]
    assert int(entry["uSNCreated"][0]) <= before
    assert domain.names(f"(uSNChanged>={before + 1})") == {BOB}
    assert domain.delete(BOB).result_code is ResultCode.SUCCESS
    assert highest() > before + 1


def test_subschema_is_where_a_domain_has_it() -> None:
    domain = Domain(name="", protected=False)
    assert domain.read("", "subschemaSubentry") == {"subschemaSubentry": [AGGREGATE]}
    schema = domain.read(AGGREGATE, "attributeTypes", "cn")
    assert any("'objectSid'" in each for each in schema["attributeTypes"])
    assert "attributeTypes" in domain.read("cn=Subschema", "attributeTypes")
    assert Domain().read(BOB, "subschemaSubentry") == {"subschemaSubentry": [AGGREGATE]}


def test_naming_contexts_that_are_there_are_listed() -> None:
    ldif = "\n".join(
        f"dn: {dn}\nobjectClass: {kind}\n"
        for dn, kind in ((BASE, "domainDNS"), (f"cn=Configuration,{BASE}", "container"), (ADMIN, "person"))
    ).replace("ou=people,", "")
    domain = Domain(directory(ldif), name="", protected=False)
    assert domain.read("", "namingContexts") == {"namingContexts": [BASE, f"CN=Configuration,{BASE}"]}


# Identity


def test_sids_and_guids_are_the_same_in_every_run() -> None:
    one, two = (Domain().search("(objectGUID=*)", "objectGUID", "objectSid") for _ in range(2))
    assert one == two
    assert len({entry["objectGUID"][0] for entry in one.values()}) == len(one) == 31


@pytest.mark.parametrize(
    ("dn", "sid"),
    [
        (BASE, CONTOSO),
        (f"cn=Administrator,cn=Users,{BASE}", f"{CONTOSO}-500"),
        (f"cn=Domain Users,cn=Users,{BASE}", f"{CONTOSO}-513"),
        (f"cn=Administrators,cn=Builtin,{BASE}", "S-1-5-32-544"),
        (f"cn=Builtin,{BASE}", "S-1-5-32"),
    ],
)
def test_well_known_sids(dn: str, sid: str) -> None:
    domain = Domain()
    assert domain.directory.dialect is not None
    octets = parse_sid(sid)
    escaped = "".join(f"\\{octet:02x}" for octet in octets)
    for name in (sid, sid.lower(), escaped):
        assert domain.names(f"(objectSid={name})") == {dn}
    assert domain.names("(objectClass=*)", base=f"<SID={sid}>", scope=Scope.BASE_OBJECT) == {dn}
    assert domain.names("(objectClass=*)", base=f"<SID={octets.hex()}>", scope=Scope.BASE_OBJECT) == {dn}


def test_builtin_has_its_own_sid_even_where_nothing_else_was_loaded() -> None:
    dn = f"cn=Builtin,{BASE}"
    entry = run(directory(f"dn: {dn}\nobjectClass: builtinDomain\ncn: Builtin\n").read(DN.parse(dn)))
    assert entry is not None
    assert entry.get("objectSid") == (parse_sid("S-1-5-32"),)


def test_guid_is_found_in_every_form() -> None:
    domain = Domain()
    (raw,) = domain.octets(BOB, "objectGUID")
    guid = str(UUID(bytes_le=raw))
    for name in (guid, f"{{{guid.upper()}}}", raw.hex(), "".join(f"\\{octet:02x}" for octet in raw)):
        assert domain.names(f"(objectGUID={name})") == {BOB}
    for name in (guid, raw.hex()):
        assert domain.names("(objectClass=*)", base=f"<GUID={name}>", scope=Scope.BASE_OBJECT) == {BOB}
    assert domain.stage.ask(CompareRequest(BOB, "objectGUID", guid.encode())).result_code is ResultCode.COMPARE_TRUE


def test_added_entry_is_one_by_its_uuid_and_its_guid() -> None:
    domain = Domain()
    assert domain.add(f"cn=New,ou=staff,{BASE}", objectClass="user").result_code is ResultCode.SUCCESS
    entry = domain.read(f"cn=New,ou=staff,{BASE}", "entryUUID", "objectGUID", "objectSid", "*")
    assert domain.names(f"(objectGUID={entry['entryUUID'][0]})") == {f"cn=New,ou=staff,{BASE}"}
    assert entry["userAccountControl"] == ["546"]
    assert entry["sAMAccountType"] == ["805306368"]
    assert entry["primaryGroupID"] == ["513"]
    assert entry["objectClass"] == ["top", "person", "organizationalPerson", "user"]
    assert entry["objectCategory"] == [f"CN=Person,CN=Schema,CN=Configuration,{BASE}"]
    assert entry["whenCreated"] == entry["whenChanged"] == ["20260102030405.0Z"]
    assert entry["sAMAccountName"][0].startswith("$")
    assert entry["name"] == ["New"]
    assert entry["distinguishedName"] == [f"cn=New,ou=staff,{BASE}"]
    assert "canonicalName" not in entry
    assert domain.read(f"cn=New,ou=staff,{BASE}", "canonicalName") == {"canonicalName": ["contoso.com/staff/New"]}


def test_sids_are_given_once() -> None:
    domain = Domain()
    seen = set()
    for at in range(3):
        name = f"cn=new{at},ou=staff,{BASE}"
        assert domain.add(name, objectClass="group").result_code is ResultCode.SUCCESS
        (sid,) = domain.read(name, "objectSid")["objectSid"]
        seen.add(sid)
        assert domain.delete(name).result_code is ResultCode.SUCCESS
    assert len(seen) == 3


def test_names_in_brackets_are_taken_in_every_operation() -> None:
    domain = Domain()
    sid = f"{CONTOSO}-1100"
    (dn,) = domain.names(f"(objectSid={sid})")
    name = f"<SID={sid}>"
    assert domain.modify(name, (REPLACE, "description", ["x"])).result_code is ResultCode.SUCCESS
    assert domain.read(dn, "description") == {"description": ["x"]}
    assert domain.stage.ask(CompareRequest(name, "description", b"X")).result_code is ResultCode.COMPARE_TRUE
    computers = "<WKGUID=AA312825768811D1ADED00C04FD8D5CD,dc=contoso,dc=com>"
    assert domain.rename(name, "cn=moved", computers).result_code is ResultCode.SUCCESS
    moved = f"cn=moved,cn=Computers,{BASE}"
    assert domain.names("(objectClass=*)", base=name, scope=Scope.BASE_OBJECT) == {moved}
    assert domain.delete(name).result_code is ResultCode.SUCCESS
    assert domain.delete(name).result_code is ResultCode.NO_SUCH_OBJECT
    assert domain.delete("<SID=S-1>").result_code is ResultCode.INVALID_DN_SYNTAX


def test_names_in_brackets_tell_strangers_nothing() -> None:
    domain = Domain(name="", protected=False)
    names = [f"<SID={CONTOSO}-500>", f"<SID={CONTOSO}-4000>"]
    for ask in (
        lambda name: domain.stage.ask(CompareRequest(name, "cn", b"x")),
        lambda name: domain.stage.ask(search(name, Scope.BASE_OBJECT)),
        lambda name: domain.modify(name, (REPLACE, "cn", ["x"])),
        domain.delete,
        lambda name: domain.rename(U1, "uid=u1", name),
    ):
        answers = [ask(name) for name in names]
        assert answers[0] == answers[1]
        assert answers[0].result_code is ResultCode.INSUFFICIENT_ACCESS_RIGHTS


# Unique names


@pytest.mark.parametrize(
    ("attribute", "value", "code", "text"),
    [
        ("sAMAccountName", "ALICE", ResultCode.ENTRY_ALREADY_EXISTS, "00000524: UpdErr"),
        ("sAMAccountName", "Research", ResultCode.ENTRY_ALREADY_EXISTS, "00000526: UpdErr"),
        ("userPrincipalName", "B.Baker@contoso.com", ResultCode.CONSTRAINT_VIOLATION, "000021C8: AtrErr"),
        ("servicePrincipalName", "http/web.contoso.com", ResultCode.CONSTRAINT_VIOLATION, "000021C7: AtrErr"),
    ],
)
def test_names_are_unique(attribute: str, value: str, code: ResultCode, text: str) -> None:
    domain = Domain()
    added = domain.add(f"cn=New,ou=staff,{BASE}", objectClass="user", **{attribute: value})
    changed = domain.modify(U1, (REPLACE, attribute, [value]))
    assert added == type(added)(changed.result_code, diagnostic_message=changed.diagnostic_message)
    assert added.result_code is code
    assert added.diagnostic_message.startswith(text)


def test_own_name_in_another_spelling_is_no_other() -> None:
    domain = Domain()
    assert domain.modify(ALICE, (REPLACE, "sAMAccountName", ["Alice"])).result_code is ResultCode.SUCCESS
    assert domain.rename(ALICE, "cn=alice apple").result_code is ResultCode.SUCCESS


# userAccountControl


def test_user_account_control_and_what_follows_it() -> None:
    domain = Domain()
    # Of LOCKOUT and PASSWORD_EXPIRED nothing is stored, and what says no kind is a normal account.
    assert domain.modify(BOB, (REPLACE, "userAccountControl", ["8388626"])).result_code is ResultCode.SUCCESS
    assert domain.read(BOB, "userAccountControl") == {"userAccountControl": ["514"]}
    assert BOB in domain.names("(userAccountControl:1.2.840.113556.1.4.803:=2)")
    assert BOB not in domain.names("(userAccountControl:1.2.840.113556.1.4.803:=3)")
    assert BOB in domain.names("(userAccountControl:1.2.840.113556.1.4.804:=3)")
    assert domain.modify(BOB, (REPLACE, "userAccountControl", ["4096"])).result_code is ResultCode.SUCCESS
    assert domain.read(BOB, "sAMAccountType", "primaryGroupID") == {
        "sAMAccountType": ["805306369"],
        "primaryGroupID": ["515"],
    }


def test_group_type_and_what_follows_it() -> None:
    domain = Domain()
    assert domain.modify(RESEARCH, (REPLACE, "groupType", ["8"])).result_code is ResultCode.SUCCESS
    assert domain.read(RESEARCH, "sAMAccountType") == {"sAMAccountType": ["268435457"]}


# What nobody writes


@pytest.mark.parametrize("attribute", ["memberOf", "tokenGroups", "directReports", "name", "objectSid", "objectGUID"])
def test_what_is_worked_out_is_not_written(attribute: str) -> None:
    domain = Domain()
    assert domain.modify(BOB, (REPLACE, attribute, [RESEARCH])).result_code is ResultCode.CONSTRAINT_VIOLATION
    added = domain.add(f"cn=New,ou=staff,{BASE}", objectClass="user", **{attribute: RESEARCH})
    assert added.result_code is ResultCode.CONSTRAINT_VIOLATION


# Groups


def test_member_of_is_kept_with_member() -> None:
    domain = Domain()
    assert domain.read(BOB, "*")["memberOf"] == [RESEARCH]
    assert domain.modify(ENGINEERS, (ADD, "member", [BOB.upper()])).result_code is ResultCode.SUCCESS
    assert BOB in domain.read(ENGINEERS, "member")["member"]  # called as it is called
    assert set(domain.read(BOB, "memberOf")["memberOf"]) == {RESEARCH, ENGINEERS}
    assert domain.names(f"(memberOf={ENGINEERS})") == {BOB, U1, f"uid=jürgen,ou=people,{BASE}"}
    assert domain.modify(RESEARCH, (DELETE, "member", [BOB])).result_code is ResultCode.SUCCESS
    assert domain.read(BOB, "memberOf") == {"memberOf": [ENGINEERS]}
    assert BOB not in domain.names(f"(memberOf={RESEARCH})")


def test_links_follow_an_entry_that_is_renamed_or_moved() -> None:
    domain = Domain()
    assert domain.rename(BOB, "cn=Robert", f"ou=people,{BASE}").result_code is ResultCode.SUCCESS
    robert = f"cn=Robert,ou=people,{BASE}"
    assert robert in domain.read(RESEARCH, "member")["member"]
    assert domain.read(f"cn=LAPTOP7,cn=Computers,{BASE}", "managedBy") == {"managedBy": [robert]}
    assert domain.read(ALICE, "directReports") == {"directReports": [robert]}
    assert domain.names(f"(member={robert})") == {RESEARCH}
    assert domain.names(f"(member={BOB})") == set()


def test_links_follow_a_subtree_that_moves_with_both_their_ends() -> None:
    domain = Domain()
    group = f"cn=inner,ou=staff,{BASE}"
    assert domain.add(group, objectClass="group", member=[ALICE, BOB, U1]).result_code is ResultCode.SUCCESS
    assert domain.rename(f"ou=staff,{BASE}", "ou=crew", f"ou=people,{BASE}").result_code is ResultCode.SUCCESS
    crew = f"ou=crew,ou=people,{BASE}"
    alice, bob, inner = (f"cn={name},{crew}" for name in ("Alice Apple", "Bob Baker", "inner"))
    assert domain.read(inner, "member") == {"member": [alice, bob, U1]}
    assert domain.read(RESEARCH, "member", "managedBy") == {
        "managedBy": [alice],
        "member": [alice, bob, ENGINEERS],
    }
    assert set(domain.read(bob, "memberOf")["memberOf"]) == {RESEARCH, inner}
    assert domain.read(bob, "manager") == {"manager": [alice]}


def test_names_in_brackets_are_asserted_of_names() -> None:
    domain = Domain()
    (octets,) = domain.octets(ALICE, "objectGUID")
    (sid,) = domain.octets(ALICE, "objectSid")
    for name in (f"<SID={sid.hex()}>", f"<GUID={UUID(bytes_le=octets)}>", f"<guid={octets.hex()}>;{ALICE}"):
        for asserted in (f"member={name}", f"member:={name}", f"memberOf:1.2.840.113556.1.4.1941:={name}"):
            # What a name in brackets finds is what the name itself finds.
            found = domain.names(f"({asserted})")
            assert found == domain.names(f"({asserted.replace(name, ALICE)})")
        assert domain.names(f"(member={name})") == {RESEARCH}
        assert domain.names(f"(&(objectClass=group)(!(member={name})))") & {RESEARCH, ENGINEERS} == {ENGINEERS}
        assert RESEARCH in domain.names(f"(member:1.2.840.113556.1.4.1941:={name})")
        compared = domain.stage.ask(CompareRequest(RESEARCH, "member", name.encode()))
        assert compared.result_code is ResultCode.COMPARE_TRUE
    # Nobody's name matches nothing, nor does its negation; a text that looks like one is a text.
    assert domain.names("(member=<SID=S-1-5-9>)") == domain.names("(!(member=<SID=S-1-5-9>))") == set()
    assert domain.modify(BOB, (REPLACE, "description", ["<SID=S-1-5-9>"])).result_code is ResultCode.SUCCESS
    assert domain.names("(description=<SID=S-1-5-9>)") == {BOB}


def test_links_to_what_is_deleted_are_gone() -> None:
    domain = Domain()
    assert domain.delete(ALICE).result_code is ResultCode.SUCCESS
    assert domain.read(RESEARCH, "member", "managedBy") == {"member": [BOB, ENGINEERS]}
    assert domain.read(BOB, "manager") == {}
    assert domain.delete(RESEARCH).result_code is ResultCode.SUCCESS
    assert domain.read(BOB, "memberOf") == {}


def test_link_leads_to_an_entry_that_is_there() -> None:
    domain = Domain()
    nobody = f"cn=nobody,{BASE}"
    assert domain.modify(RESEARCH, (ADD, "member", [nobody])).result_code is ResultCode.NO_SUCH_OBJECT
    assert domain.add(f"cn=g,{BASE}", objectClass="group", member=nobody).result_code is ResultCode.NO_SUCH_OBJECT
    assert domain.modify(RESEARCH, (ADD, "member", ["<SID=S-1-5-9>"])).result_code is ResultCode.NO_SUCH_OBJECT


def test_member_is_given_and_taken_by_sid() -> None:
    domain = Domain()
    guest = f"cn=Guest,cn=Users,{BASE}"
    name = f"<SID={CONTOSO}-501>"
    assert domain.modify(ENGINEERS, (ADD, "member", [name])).result_code is ResultCode.SUCCESS
    assert domain.read(guest, "memberOf") == {"memberOf": [ENGINEERS]}
    assert domain.modify(ENGINEERS, (DELETE, "member", [name])).result_code is ResultCode.SUCCESS
    assert domain.read(guest, "memberOf") == {}
    added = domain.add(f"cn=g,{BASE}", objectClass="group", member=name)
    assert added.result_code is ResultCode.SUCCESS
    assert domain.read(f"cn=g,{BASE}", "member") == {"member": [guest]}


def test_nested_membership_both_ways_and_in_circles() -> None:
    domain = Domain()
    rule = "1.2.840.113556.1.4.1941"
    within = {RESEARCH, ENGINEERS, ALICE, BOB, U1, f"uid=jürgen,ou=people,{BASE}", f"uid=hashed,ou=people,{BASE}"}
    assert domain.names(f"(memberOf:{rule}:={ALL_HANDS})") == within
    assert domain.names(f"(member:{rule}:={U1})") == {ENGINEERS, RESEARCH, ALL_HANDS}
    assert domain.names(f"(&(objectClass=user)(memberOf:{rule}:={ENGINEERS}))") == {
        U1,
        f"uid=jürgen,ou=people,{BASE}",
    }
    assert domain.modify(ENGINEERS, (ADD, "member", [ALL_HANDS])).result_code is ResultCode.SUCCESS
    assert domain.names(f"(memberOf:{rule}:={ALL_HANDS})") == {*within, ALL_HANDS}
    assert domain.names(f"(manager:{rule}:={ALICE})") == {BOB}


def test_token_groups_are_of_the_one_entry_that_is_named() -> None:
    domain = Domain()
    expected = {domain.octets(dn, "objectSid")[0] for dn in (RESEARCH, ENGINEERS, f"cn=Domain Users,cn=Users,{BASE}")}
    assert set(domain.octets(U1, "tokenGroups")) == expected
    for attributes in (("tokenGroups",), ("cn", "tokenGroups"), ("+",)):
        for entry in domain.search("(cn=Una One)", *attributes).values():
            assert "tokenGroups" not in entry
            assert ("cn" in entry) is ("cn" in attributes)


def test_primary_group() -> None:
    domain = Domain()
    assert domain.read(f"cn=Domain Users,cn=Users,{BASE}", "primaryGroupToken") == {"primaryGroupToken": ["513"]}
    (token,) = domain.read(ENGINEERS, "primaryGroupToken")["primaryGroupToken"]
    # Only of a group that it is in; then that group lists it no longer, and the other one does.
    assert domain.modify(BOB, (REPLACE, "primaryGroupID", [token])).result_code is ResultCode.UNWILLING_TO_PERFORM
    assert domain.modify(U1, (REPLACE, "primaryGroupID", [token])).result_code is ResultCode.SUCCESS
    assert U1 not in domain.read(ENGINEERS, "member")["member"]
    assert domain.read(U1, "memberOf") == {"memberOf": [f"cn=Domain Users,cn=Users,{BASE}"]}
    assert U1 in domain.names(f"(primaryGroupID={token})")


def test_names_of_entries_lead_to_them() -> None:
    domain = Domain()
    assert domain.names(f"(distinguishedName={BOB.upper()})") == {BOB}
    assert domain.names(f"(|(distinguishedName={BOB})(info=x))") == {BOB}  # and not who lists him
    assert domain.names("(name=Bob Baker)") == {BOB}
    assert domain.names("(canonicalName=contoso.com/staff/Bob Baker)") == {BOB}
    assert domain.names("(objectCategory=domain)") == {BASE}
    assert domain.names("(&(objectCategory=computer)(cn=D*))") == {f"cn=DC1,ou=Domain Controllers,{BASE}"}


# Filters and ranges


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ali", {ALICE}),
        ("apple ali", {ALICE}),
        ("ali app", {ALICE}),
        ("=alice", {ALICE}),
        ("=alic", set()),
        ("building", {ALICE}),
        ("bo", {BOB}),
        ("u1", {U1}),
    ],
)
def test_ambiguous_names(text: str, found: set[str]) -> None:
    assert Domain().names(f"(anr={text})") == found


def test_everybody_else_is_not_of_that_name() -> None:
    domain = Domain()
    assert domain.names("(!(anr=alice))") == domain.names("(objectClass=*)") - {ALICE}


def crowded(count: int = 1600) -> Domain:
    names = [f"cn=m{at:04},{BASE}" for at in range(count)]
    lines = [f"dn: {BASE}\nobjectClass: domainDNS\n"]
    lines += [f"dn: {name}\nobjectClass: contact\n" for name in names]
    lines += [f"dn: cn=crowd,{BASE}\nobjectClass: group\n" + "".join(f"member: {name}\n" for name in names)]
    return Domain(directory("\n".join(lines)), name="", anonymous_search=True)


def test_filter_on_a_back_link_looks_at_few() -> None:
    where = crowded().directory

    def batches(filter: str) -> int:
        async def count() -> int:
            return sum([1 async for _ in where.search(DN.parse(BASE), Scope.WHOLE_SUBTREE, parse_filter(filter))])

        return run(count())

    nobody = f"(memberOf=cn=m0001,{BASE})"
    assert (batches(nobody), batches(f"(|{nobody}(info=x))")) == (0, 25)
    assert batches(f"(distinguishedName=cn=m0001,{BASE})") == 1


def test_filters_in_controls_are_understood_too() -> None:
    domain = Domain()
    chain = f"(memberOf:1.2.840.113556.1.4.1941:={ALL_HANDS})"
    for filter, code in ((chain, ResultCode.SUCCESS), (f"(!{chain})", ResultCode.ASSERTION_FAILED)):
        assert domain.stage.ask(DelRequest(U1), (assertion(filter),)).result_code is code, filter
        domain = Domain()


def test_entry_is_moved_to_a_well_known_container_beside_referrals() -> None:
    more = f"\n\ndn: ou=far,{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nref: ldap://far.example\n"
    domain = Domain(directory(EXAMPLE.read_text("utf-8") + more))
    computers = "<WKGUID=AA312825768811D1ADED00C04FD8D5CD,dc=contoso,dc=com>"
    assert domain.rename(BOB, "cn=Bob Baker", computers).result_code is ResultCode.SUCCESS


def test_ranges_pages_and_limits() -> None:
    domain = crowded()
    crowd = f"cn=crowd,{BASE}"
    whole = domain.read(crowd, "member")
    assert whole["member"] == []
    assert len(whole["member;range=0-1499"]) == 1500
    rest = domain.read(crowd, "member;range=1500-*")
    assert list(rest) == ["member;range=1500-*"]
    assert len(rest["member;range=1500-*"]) == 100
    assert len({*whole["member;range=0-1499"], *rest["member;range=1500-*"]}) == 1600
    assert domain.read(crowd, "MEMBER;Range=3-4") == {"member;range=3-4": [f"cn=m{at:04},{BASE}" for at in (3, 4)]}
    assert domain.read(crowd, "member;range=5-3") == {}
    assert domain.read(crowd, "member;range=1600-*") == {}
    assert domain.read(f"cn=m0001,{BASE}", "memberOf;range=0-*") == {"memberOf;range=0-*": [crowd]}
    # All the same for an entry that a search found
    assert len(domain.search("(cn=crowd)", "*")[crowd]["member;range=0-1499"]) == 1500
    # MaxPageSize, whatever the client asks for
    for asked in (0, 1500):
        found, done = domain.stage.search(search(BASE, filter="(objectClass=contact)", size_limit=asked))
        assert (len(found), done.result_code) == (1000, ResultCode.SIZE_LIMIT_EXCEEDED)
    found, done = domain.stage.search(search(BASE, filter="(cn=m0*)"))
    assert (len(found), done.result_code) == (1000, ResultCode.SUCCESS)
    pages, cookie = [], b""
    while True:
        count, cookie = domain.page("(objectClass=contact)", 5000, cookie)
        pages.append(count)
        if not cookie:
            break
    assert pages == [1000, 600]


# Binds


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "Apple pie 1"),
        (r"CONTOSO\alice", "Apple pie 1"),
        ("alice@contoso.com", "Apple pie 1"),
        ("b.baker@contoso.com", "Bread rolls 2"),
        ("contoso.com/staff/Alice Apple", "Apple pie 1"),
        ("CONTOSO.com/STAFF/alice apple", "Apple pie 1"),
        ("contoso.com/staff\nAlice Apple", "Apple pie 1"),
        ("Alice Apple", "Apple pie 1"),
        ("Bob Baker (Research)", "Bread rolls 2"),
        (f"{CONTOSO}-500", "Keys to 1 castle"),
        ("HTTP/web.contoso.com", "not 4 people"),
        ("u1", "password"),
        ("jürgen", "pässwörd"),
        ("contoso.com/people/u1", "password"),
        (ALICE, "Apple pie 1"),
    ],
)
def test_bind_by_name(name: str, password: str) -> None:
    domain = Domain(name="", protected=False)
    assert domain.bind(name, password) is ResultCode.SUCCESS
    assert domain.bind(name, "wrong") is ResultCode.INVALID_CREDENTIALS


def test_bind_by_guid() -> None:
    domain = Domain()
    (guid,) = domain.octets(ALICE, "objectGUID")
    name = f"{{{UUID(bytes_le=guid)}}}"
    assert domain.bind(name, "Apple pie 1") is ResultCode.SUCCESS
    assert domain.stage.who() == f"dn:{ALICE}"
    assert domain.stage.records[-1].account == "alice"


def test_name_of_several_is_nobodys() -> None:
    domain = Domain()
    for at in "12":
        assert domain.add(
            f"cn=t{at},ou=staff,{BASE}", objectClass="user", displayName="Twin", userPassword="twin"
        ).result_code is (ResultCode.SUCCESS)
    twin = domain.stage.bind(simple("Twin", "twin"))
    nobody = domain.stage.bind(simple("Nobody", "twin"))
    assert twin == nobody
    assert domain.stage.reasons[-2:] == ["ambiguous-name", "unknown-user"]
    assert domain.bind("t1", "twin") is ResultCode.INVALID_CREDENTIALS  # its cn is not among its names
    # A name that somebody is known by is not taken away by displayNames, one or more.
    for at in "12":
        assert domain.bind(ADMIN, "admin secret") is ResultCode.SUCCESS
        changed = domain.modify(f"cn=t{at},ou=staff,{BASE}", (REPLACE, "displayName", ["alice"]))
        assert changed.result_code is ResultCode.SUCCESS
        assert domain.bind("alice", "Apple pie 1") is ResultCode.SUCCESS
