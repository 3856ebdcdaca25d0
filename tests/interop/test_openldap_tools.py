"""OpenLDAP's own tools (libldap and Cyrus SASL) against our server."""

from base64 import b64decode

import pytest

from tests.interop.conftest import tool
from tests.interop.server import (
    BASE,
    PEOPLE,
    REJECTED,
    SUCCESS,
    U1,
    WRONG,
    Event,
    OurServer,
    every_account,
    own_host,
    rejected,
    run,
    simple,
)

# libldap says this machine's own name for a loopback address, whatever the URL says.
DIGEST_URI = f"ldap/{own_host()}"


def digest(user: str, password: str) -> tuple[str, ...]:
    """The options of a DIGEST-MD5 bind without a security layer."""
    return ("-Q", "-Y", "DIGEST-MD5", "-O", "maxssf=0", "-U", user, "-w", password)


def by_dn(dn: str, password: str) -> tuple[str, ...]:
    """The options of a simple bind."""
    return ("-x", "-D", dn, "-w", password)


ANONYMOUS = ("-x",)
AS_U1 = digest("u1", "password")


def ldap(program: str, server: OurServer, *arguments: str) -> tuple[int, str, str]:
    """Exit status, which is the result code, standard output and standard error of `ldap...`."""
    return run(tool(f"ldap{program}"), "-H", server.url, "-o", "nettimeout=10", *arguments)


def search(server: OurServer, *arguments: str) -> tuple[int, str, str]:
    """`ldapsearch`, its output without comments and with lines as long as they are."""
    return ldap("search", server, "-LLL", "-o", "ldif-wrap=no", *arguments)


@every_account
def test_whoami_names_who_has_bound(our_server: OurServer, user: str, password: str) -> None:
    mark = our_server.mark()
    assert ldap("whoami", our_server, *digest(user, password)) == (0, f"dn:uid={user},{PEOPLE}\n", "")
    assert our_server.events(mark) == [Event(user, SUCCESS, DIGEST_URI)]


def test_all_who_may_not_bind_are_told_the_same(our_server: OurServer) -> None:
    mark = our_server.mark()
    answers = {ldap("whoami", our_server, *digest(user, WRONG)) for user in REJECTED}
    refusal = "ldap_sasl_interactive_bind: Invalid credentials (49)\n\tadditional info: Invalid credentials\n"
    assert answers == {(49, "", refusal)}
    assert our_server.events(mark) == [rejected(user, status, DIGEST_URI) for user, status in REJECTED.items()]


@every_account
def test_simple_bind_by_dn(our_server: OurServer, user: str, password: str) -> None:
    mark = our_server.mark()
    dn = f"uid={user},{PEOPLE}"
    assert ldap("whoami", our_server, *by_dn(dn, password)) == (0, f"dn:{dn}\n", "")
    assert our_server.events(mark) == [simple(user)]


def test_all_who_may_not_bind_by_dn_are_told_the_same(our_server: OurServer) -> None:
    mark = our_server.mark()
    answers = {ldap("whoami", our_server, *by_dn(f"uid={user},{PEOPLE}", WRONG)) for user in ("u1", "nobody")}
    assert answers == {(49, "", "ldap_bind: Invalid credentials (49)\n\tadditional info: Invalid credentials\n")}
    assert our_server.events(mark) == [
        simple("u1", REJECTED["u1"]),
        simple(f"uid=nobody,{PEOPLE}", REJECTED["nobody"]),  # no account has a name to show for this DN
    ]


def test_authzid_is_taken_from_oneself_and_refused_for_others(our_server: OurServer) -> None:
    mark = our_server.mark()
    for own in ("u:u1", f"dn:{U1}"):
        assert ldap("whoami", our_server, *AS_U1, "-X", own) == (0, f"dn:{U1}\n", "")
    for other in ("u:admin", f"dn:uid=admin,{PEOPLE}", "u:nobody"):
        assert ldap("whoami", our_server, *AS_U1, "-X", other)[0] == 50
    # The password was right all five times: that is what a 4776 is about.
    as_other = Event("u1", SUCCESS, DIGEST_URI, result_code=50)
    assert our_server.events(mark) == [Event("u1", SUCCESS, DIGEST_URI)] * 2 + [as_other] * 3


def test_search_returns_an_entry_as_it_was_written_but_for_its_password(our_server: OurServer) -> None:
    assert search(our_server, *AS_U1, "-b", BASE, "(uid=u1)", "*", "userPassword") == (
        0,
        f"""\
dn: {U1}
objectClass: inetOrgPerson
uid: u1
sAMAccountName: u1
userPrincipalName: u1@contoso.com
cn: Una One
givenName: Una
sn: One
mail: una.one@contoso.com
telephoneNumber: +1 425 555 0101

""",
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "uids"),
    [
        (("(cn=JÜRGEN  groß)",), ["jürgen"]),
        (("-b", PEOPLE, "(&(objectClass=person)(!(mail=*)))"), ["жора", "quoted", "hashed", "salted", "admin"]),
        (("(|(cn=*one)(sn=A*m*n))",), ["u1", "admin"]),
        (("(userPassword=*)",), []),
        (("-s", "one", "(uid=*)"), []),
        (("-b", U1, "-s", "base"), ["u1"]),
        (("-b", PEOPLE, "-s", "one", "-a", "always", "(givenName~=una)"), ["u1"]),
    ],
)
def test_search_finds(our_server: OurServer, arguments: tuple[str, ...], uids: list[str]) -> None:
    # Of two options -b the last one counts.
    status, output, error = search(our_server, *AS_U1, "-b", BASE, *arguments, "1.1")
    assert (status, error) == (0, "")
    assert [_text(line) for line in output.splitlines() if line] == [f"uid={uid},{PEOPLE}" for uid in uids]


def _text(line: str) -> str:
    """The DN of a line `dn: ...` or `dn:: base64`."""
    name, _, value = line.partition(": ")
    return b64decode(value).decode() if name == "dn:" else value


def test_search_stops_at_the_size_limit_of_the_client(our_server: OurServer) -> None:
    status, output, error = search(our_server, *AS_U1, "-b", BASE, "-z", "2", "(uid=*)", "1.1")
    assert (status, output.count("dn:"), error) == (4, 2, "Size limit exceeded (4)\n")


def test_search_below_what_is_not_there_names_what_is(our_server: OurServer) -> None:
    error = f"No such object (32)\nMatched DN: {BASE}\n"
    assert search(our_server, *AS_U1, "-b", f"cn=a,ou=nowhere,{BASE}") == (32, "", error)


def test_anonymous_reads_no_entry_and_leaves_no_record(our_server: OurServer) -> None:
    mark = our_server.mark()
    assert ldap("whoami", our_server, *ANONYMOUS) == (0, "anonymous\n", "")
    assert search(our_server, *ANONYMOUS, "-b", BASE)[0] == 50
    assert ldap("compare", our_server, *ANONYMOUS, U1, "cn:Una One")[0] == 50
    assert our_server.events(mark) == []


def test_name_without_password_is_refused(our_server: OurServer) -> None:
    mark = our_server.mark()
    assert ldap("whoami", our_server, *by_dn(U1, ""))[0] == 53
    assert [record["ldap"]["reason"] for record in our_server.audit_records(mark)] == ["unauthenticated"]


def test_compare_answers_true_false_and_what_is_wrong(our_server: OurServer) -> None:
    true, false, no_such_attribute, no_such_object = 6, 5, 16, 32

    def compare(dn: str, assertion: str) -> int:
        return ldap("compare", our_server, *AS_U1, dn, assertion)[0]

    assert compare(U1, "cn:una  ONE") == true
    assert compare(U1, "cn::VW5hIE9uZQ==") == true
    assert compare(U1, "cn:Una Two") == false
    assert compare(U1, "title:One") == no_such_attribute
    assert compare(f"uid=nobody,{PEOPLE}", "cn:One") == no_such_object
    assert compare(U1, "userPassword:password") not in (true, false)


def test_root_dse_says_what_the_server_does(our_server: OurServer) -> None:
    status, output, error = search(our_server, *ANONYMOUS, "-b", "", "-s", "base", "*", "+")
    assert (status, error) == (0, "")
    assert set(output.splitlines()) >= {
        "dn:",
        f"namingContexts: {BASE}",
        "supportedSASLMechanisms: DIGEST-MD5",
        "supportedLDAPVersion: 3",
        "supportedExtension: 1.3.6.1.4.1.4203.1.11.3",
        "subschemaSubentry: cn=Subschema",
    }


def test_subschema_describes_what_the_entries_hold(our_server: OurServer) -> None:
    status, output, error = search(
        our_server, *ANONYMOUS, "-b", "cn=Subschema", "-s", "base", "attributeTypes", "objectClasses"
    )
    assert (status, error) == (0, "")
    lines = output.splitlines()
    for name in ("uid", "sAMAccountName", "userPrincipalName", "telephoneNumber", "serialNumber"):
        assert [line for line in lines if line.startswith("attributeTypes: ") and f"'{name}'" in line], name
    for name in ("domain", "inetOrgPerson", "groupOfNames", "device"):
        assert [line for line in lines if line.startswith("objectClasses: ") and f"'{name}'" in line], name


def test_the_subschema_entry_shows_what_is_operational_when_that_is_asked_for(our_server: OurServer) -> None:
    read = ("-b", "cn=Subschema", "-s", "base", "(objectClass=subschema)")
    status, output, error = search(our_server, *ANONYMOUS, *read, "+")
    assert (status, error) == (0, "")
    shown = {line.partition(":")[0] for line in output.splitlines()}
    definitions = {"attributeTypes", "objectClasses", "matchingRules", "matchingRuleUse", "ldapSyntaxes"}
    about = {"createTimestamp", "modifyTimestamp", "structuralObjectClass", "entryDN", "subschemaSubentry"}
    assert definitions | about <= shown
    _, plain, _ = search(our_server, *ANONYMOUS, *read)
    assert "attributeTypes" not in plain


def test_unknown_control_is_refused_when_critical_and_ignored_when_not(our_server: OurServer) -> None:
    control = "1.3.6.1.4.1.55555.1"  # nobody's
    assert search(our_server, *AS_U1, "-b", U1, "-s", "base", "-E", f"!{control}")[0] == 12
    assert search(our_server, *AS_U1, "-b", U1, "-s", "base", "-E", control)[0] == 0
    assert search(our_server, *AS_U1, "-b", U1, "-s", "base", "-MM")[0] == 0


def test_mechanism_that_is_not_offered_is_refused(our_server: OurServer) -> None:
    mark = our_server.mark()
    assert ldap("whoami", our_server, "-Q", "-Y", "CRAM-MD5", "-U", "u1", "-w", "password")[0] == 7
    assert [record["ldap"]["reason"] for record in our_server.audit_records(mark)] == ["mechanism"]
