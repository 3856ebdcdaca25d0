"""What one client may cost all others: work that outgrows what is sent, and passwords that others pay for."""

import gc
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Callable
from hashlib import pbkdf2_hmac

import pytest

from ldapserver.directory import evaluation
from ldapserver.directory.ldif import read_ldif
from ldapserver.directory.memory import MemoryDirectory
from ldapserver.directory.names import folded
from ldapserver.directory.schema import load_schema
from ldapserver.wire import ber
from ldapserver.wire.dn import DN, case_ignore
from ldapserver.wire.filters import And, Equality, Extensible, GreaterOrEqual, Or, items, parse_filter
from ldapserver.wire.messages import (
    Change,
    Control,
    DelRequest,
    ExtendedRequest,
    ModifyOperation,
    ModifyRequest,
    PartialAttribute,
    ResultCode,
    Scope,
)
from tests.server.searching import Outcome, find, matched, octets, sequence, sort
from tests.server.stage import LDIF, U1, Stage, search, simple, stage

ADD, DELETE, REPLACE = ModifyOperation.ADD, ModifyOperation.DELETE, ModifyOperation.REPLACE
PRE_READ = "1.3.6.1.1.13.1"
CANCEL = "1.3.6.1.1.8"


def pbkdf2(password: bytes, iterations: int, *, compute: bool = True) -> bytes:
    """A stored value; without `compute` it is of the right form only."""
    key = pbkdf2_hmac("sha256", password, b"salt", iterations) if compute else bytes(32)
    return b"{PBKDF2-SHA256}%d$%b$%b" % (iterations, b64encode(b"salt"), b64encode(key))


def own(*changes: tuple[ModifyOperation, str, list[bytes]]) -> ModifyRequest:
    """u1 changes its own entry."""
    return ModifyRequest(U1, tuple(Change(op, PartialAttribute(name, tuple(values))) for op, name, values in changes))


def as_u1(ldif: str = LDIF) -> Stage:
    """A session of u1's."""
    on = stage(ldif)
    assert on.bind(simple("u1", "password")).result_code is ResultCode.SUCCESS
    return on


def growth(work: Callable[[int], object], size: int) -> float:
    """How many times dearer `size` is than a quarter of it: four times where work is what is sent, sixteen squared.

    A ratio within one process, of the best of several runs each: it says the same on a slow and on a busy machine.
    """

    def seconds(size: int) -> float:
        best = float("inf")
        for _ in range(5):
            gc.collect()
            began = time.process_time()
            work(size)
            best = min(best, time.process_time() - began)
        return best

    gc.disable()  # a look for garbage comes with the larger and not with the smaller
    try:
        return seconds(size) / seconds(size // 4)
    finally:
        gc.enable()


OUTGROWN = 10  # between four times and sixteen


class TestOwnPassword:
    def test_users_make_no_failure_dearer_than_it_should_be(self) -> None:
        on = as_u1()
        refused = on.ask(own((REPLACE, "userPassword", [b"password", pbkdf2(b"", 10_000_000, compute=False)])))
        assert refused.result_code is ResultCode.CONSTRAINT_VIOLATION
        assert sum(each.cost for each in on.service.directory.decoy.passwords) <= 1

    def test_nor_by_several_that_are_not_dear_each(self) -> None:
        several = [pbkdf2(b"", 300_000 + each, compute=False) for each in range(3)]
        on = as_u1()
        assert on.ask(own((REPLACE, "userPassword", several[:1]))).result_code is ResultCode.SUCCESS
        assert on.ask(own((ADD, "userPassword;x-more", several[1:]))).result_code is ResultCode.CONSTRAINT_VIOLATION

    def test_what_an_administrator_gave_may_be_had_by_others(self) -> None:
        dear = pbkdf2(b"", 2_000_000, compute=False).decode()
        on = as_u1(LDIF.replace("userPassword: another", f"userPassword: {dear}"))
        mine = pbkdf2(b"mine", 2_000_000, compute=False)
        assert on.ask(own((REPLACE, "userPassword", [mine]))).result_code is ResultCode.SUCCESS

    def test_a_thousand_values_are_refused_at_once_and_bit_by_bit(self) -> None:
        on = as_u1()
        many = [b"%d" % each for each in range(1000)]
        assert on.ask(own((ADD, "userPassword", many))).result_code is ResultCode.ADMIN_LIMIT_EXCEEDED
        one_by_one = own(*[(ADD, "userPassword", [each]) for each in many])
        assert on.ask(one_by_one).result_code is ResultCode.ADMIN_LIMIT_EXCEEDED
        codes = [on.ask(own((ADD, f"userPassword;x-{each}", [b"%d" % each]))).result_code for each in range(40)]
        assert codes[:15] == [ResultCode.SUCCESS] * 15  # and the one it had
        assert set(codes[15:]) == {ResultCode.ADMIN_LIMIT_EXCEEDED}
        assert on.service.directory.most_secrets == 16 * 3

    def test_a_value_of_a_megabyte_is_none(self) -> None:
        on = as_u1()
        for name in ("userPassword", "unicodePwd"):
            assert on.ask(own((ADD, name, [bytes(100_000)]))).result_code is ResultCode.ADMIN_LIMIT_EXCEEDED

    def test_administrators_may(self) -> None:
        on = stage(admins=(U1,))
        on.bind(simple("u1", "password"))
        many = [b"%d" % each for each in range(100)]
        assert on.ask(own((ADD, "userPassword", many))).result_code is ResultCode.SUCCESS

    def test_a_dear_password_is_checked_in_a_thread_where_it_is_deleted_by_what_it_is(self) -> None:
        on = as_u1()
        on.ask(own((ADD, "userPassword", [pbkdf2(b"dear", 2)])))
        assert on.send(own((DELETE, "userPassword", [b"dear"]))) == []
        assert len(on.channel.offloaded) == 1
        on.channel.work()
        (answer,) = on.channel.taken()
        assert answer.operation == own().response(ResultCode.SUCCESS)
        assert on.ask(own((DELETE, "userPassword", [b"dear"]))).result_code is ResultCode.NO_SUCH_ATTRIBUTE

    def test_what_it_is_not_stays_and_each_guess_is_computed_once(self) -> None:
        on = as_u1()
        on.ask(own((ADD, "userPassword", [pbkdf2(b"dear", 2)])))
        assert on.send(own((DELETE, "userPassword", [b"wrong"] * 20))) == []
        assert len(on.channel.offloaded) == 1
        on.channel.work()
        (answer,) = on.channel.taken()
        assert getattr(answer.operation, "result_code", None) is ResultCode.NO_SUCH_ATTRIBUTE

    def test_a_wrong_password_costs_as_much_whether_the_user_is_known_or_not(self) -> None:
        dear = pbkdf2(b"", 2, compute=False).decode()
        on = stage(LDIF.replace("userPassword: another", f"userPassword: {dear}"))
        for name in ("u1", "u2", "nobody", "nosuch"):
            assert on.send(simple(name, "wrong")) == []
            assert len(on.channel.offloaded) == 1, name
            on.channel.work()
            (answer,) = on.channel.taken()
            assert getattr(answer.operation, "result_code", None) is ResultCode.INVALID_CREDENTIALS
        assert on.bind(simple("u1", "password")).result_code is ResultCode.SUCCESS


SECRETS = """\
dn: dc=x
objectClass: domain
dc: x

dn: cn=a,dc=x
objectClass: person
cn: a
sn: a
pwd: topsecret
appPassword;x-y: topsecret
1.2.3.4.6: topsecret

dn: uid=u1,dc=x
objectClass: account
uid: u1
userPassword: password
"""
SCHEMA = """\
attributetype ( 2.5.4.35 NAME ( 'userPassword' 'pwd' ) EQUALITY octetStringMatch
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 1.2.3.4.5 NAME 'appPassword' SUP userPassword )
attributetype ( 1.2.3.4.6 NAME 'krbPrincipalKey' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
"""


def shown(outcome: Outcome) -> set[bytes]:
    """All values of all entries."""
    return {value for entry in outcome.entries for attribute in entry.attributes for value in attribute.values}


class TestSecretsOfASchemaFile:
    @pytest.fixture
    def on(self) -> Stage:
        schema = load_schema([("local.schema", SCHEMA)]).schema
        on = stage(
            directory=MemoryDirectory([("x", read_ldif(SECRETS, "x"))], schema=schema), admins=("uid=u1,dc=x",)
        )
        on.bind(simple("u1", "password"))
        return on

    def test_other_names_numbers_and_subtypes_are_as_secret(self, on: Stage) -> None:
        asked = ("*", "+", "pwd", "appPassword", "1.2.3.4.6", "userPassword")
        outcome = find(on, search("dc=x", attributes=asked))
        assert len(outcome.entries) == 3
        assert not shown(outcome) & {b"topsecret"}
        for filter in ("(pwd=*)", "(appPassword=topsecret)", "(1.2.3.4.6=topsecret)"):
            assert find(on, search("dc=x", filter=filter)).names == []
        assert find(on, search("dc=x"), sort("pwd")).code is ResultCode.UNAVAILABLE_CRITICAL_EXTENSION

    def test_also_when_they_are_written(self, on: Stage) -> None:
        for name in ("pwd", "appPassword", "1.2.3.4.6"):
            change = Change(REPLACE, PartialAttribute(name, (b"topsecret2",)))
            assert on.ask(ModifyRequest("cn=a,dc=x", (change,))).result_code is ResultCode.SUCCESS
        assert not shown(find(on, search("dc=x", attributes=("*", "+")))) & {b"topsecret", b"topsecret2"}


class TestWork:
    """Most of these took seconds, or minutes."""

    def test_a_list_of_thousands_of_classes(self) -> None:
        on = stage()

        def asked(count: int) -> None:
            on.search(search("", Scope.BASE_OBJECT, attributes=("@user",) * count + ("@user;x-a", "@USER")))

        asked(1)
        assert growth(asked, 6000) < OUTGROWN

    @pytest.mark.interpreted("ldapserver.directory.evaluation")
    def test_many_filters_without_an_attribute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        schema, asked = load_schema([]).schema, []
        monkeypatch.setattr(evaluation, "readable_type", lambda _, name: asked.append(name))
        many = Or((Extensible("caseIgnoreMatch", None, b"x"), Extensible("caseExactMatch", None, b"x")) * 100)
        evaluation.compile_filter(many, schema)
        assert 0 < len(asked) <= len(schema.attribute_types)

    def test_values_of_controls_have_a_length(self) -> None:
        on = stage()
        value = sequence(*[octets(b"")] * 9000)
        refused = on.ask(DelRequest("cn=x"), (Control(PRE_READ, True, value),))
        assert refused.result_code is ResultCode.ADMIN_LIMIT_EXCEEDED

    def test_an_integer_of_thousands_of_digits_is_malformed(self) -> None:
        on = stage()
        value = sequence(ber.encoded(ber.INTEGER, b"\x7f" * 8000))
        assert on.ask(ExtendedRequest(CANCEL, value)).result_code is ResultCode.PROTOCOL_ERROR

    def test_value_filters_are_bounded(self) -> None:
        on = as_u1()
        assert find(on, search(), matched(*["(cn=x)"] * 32)).code is ResultCode.SUCCESS
        assert find(on, search(), matched(*["(cn=x)"] * 33)).code is ResultCode.ADMIN_LIMIT_EXCEEDED

    def test_a_long_filter_is_put_to_fewer_entries_in_a_turn(self) -> None:
        people = "".join(f"dn: uid=p{each},dc=contoso,dc=com\nobjectClass: account\n\n" for each in range(20))
        directory = MemoryDirectory(
            [("x", read_ldif("dn: dc=contoso,dc=com\nobjectClass: domain\n\n" + people, "x"))]
        )
        long = And(tuple(Equality("seeAlso", b"cn=%d" % each) for each in range(1000)))
        batches = directory._found(DN.parse("dc=contoso,dc=com"), Scope.WHOLE_SUBTREE, long)
        assert sum(1 for _ in batches) == 21

    def test_items_of_a_filter(self) -> None:
        assert items(parse_filter("(&(a=b)(|(c=d)(!(e=*)))(f:dn:=g))")) == 4

    def test_ranges_are_not_copied_for_each_item(self) -> None:
        people = "".join(
            f"dn: uid=p{each},dc=contoso,dc=com\nobjectClass: account\nuidNumber: {each}\n\n" for each in range(3000)
        )
        directory = MemoryDirectory(
            [("x", read_ldif("dn: dc=contoso,dc=com\nobjectClass: domain\n\n" + people, "x"))]
        )
        wide = And((GreaterOrEqual("uidNumber", b"0"),) * 1000)
        directory._index.candidates(wide, directory.schema)
        tracemalloc.start()
        directory._index.candidates(wide, directory.schema)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000  # octets; the keys of them all would be 24 megabytes

    def test_a_name_of_thousands_of_parts_beside_a_referral(self) -> None:
        referral = "\ndn: ou=else,dc=contoso,dc=com\nobjectClass: referral\nou: else\nref: ldap://b/ou=else\n"
        on = as_u1(LDIF + referral)
        deep = ",".join(["a=b"] * 16_000)
        assert growth(lambda parts: find(on, search(",".join(["a=b"] * parts))), 16_000) < OUTGROWN
        below = find(on, search(f"{deep},ou=else,dc=contoso,dc=com".removeprefix("a=b," * 12_000)))
        assert below.code is ResultCode.REFERRAL

    @pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0345\u0301\u0327", "\uff9e\u0300", "\u0f73\u0300"])
    def test_marks_without_end(self, marks: str) -> None:
        assert growth(lambda count: case_ignore(("a" + marks * count).encode()), 20_000) < OUTGROWN


class TestNames:
    @pytest.mark.parametrize("unseen", ["\ufe0f", "\u034f", "\u1806", "\ufffc", "\u180b", "\u200b", "\u00ad"])
    def test_what_nobody_sees_makes_another_name(self, unseen: str) -> None:
        assert folded(f"u{unseen}1") is None
        assert stage().bind(simple(f"u{unseen}1", "password")).result_code is ResultCode.INVALID_CREDENTIALS
