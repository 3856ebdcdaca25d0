"""An LDAPResult and the responses that are one (RFC 4511 sections 4.1.9 and 4.2 to 4.12).

Every bind and every search is answered with one: compiled, they are made and read without a word to the interpreter,
for which they write their `__init__` themselves. What is a class variable of a dataclass mypyc makes a field:
BindResponse and ExtendedResponse have theirs from a class above them that is no dataclass. `Final` is for the type
checker what frozen would be, which takes three times as long to make.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from ldapserver.wire.codes import ResultCode


class Message:
    """What copies and pickles by its fields: compiled, a class that writes its `__init__` does not without this."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple([getattr(self, name) for name in self.__match_args__])


@dataclass(init=False, slots=True, unsafe_hash=True)
class LDAPResult(Message):
    """What every final response holds, RFC 4511 section 4.1.9; a code without a name stays an `int`."""

    result_code: Final[ResultCode | int]
    matched_dn: Final[str]
    diagnostic_message: Final[str]
    referral: Final[tuple[str, ...]]

    def __init__(
        self,
        result_code: ResultCode | int,
        matched_dn: str = "",
        diagnostic_message: str = "",
        referral: tuple[str, ...] = (),
    ) -> None:
        self.result_code = result_code
        self.matched_dn = matched_dn
        self.diagnostic_message = diagnostic_message
        self.referral = referral


class SearchResultDone(LDAPResult):
    """The end of a search, RFC 4511 section 4.5.2."""

    __slots__ = ()
    tag: ClassVar[int] = 0x65


class ModifyResponse(LDAPResult):
    """RFC 4511 section 4.6."""

    __slots__ = ()
    tag: ClassVar[int] = 0x67


class AddResponse(LDAPResult):
    """RFC 4511 section 4.7."""

    __slots__ = ()
    tag: ClassVar[int] = 0x69


class DelResponse(LDAPResult):
    """RFC 4511 section 4.8."""

    __slots__ = ()
    tag: ClassVar[int] = 0x6B


class ModifyDNResponse(LDAPResult):
    """RFC 4511 section 4.9."""

    __slots__ = ()
    tag: ClassVar[int] = 0x6D


class CompareResponse(LDAPResult):
    """RFC 4511 section 4.10."""

    __slots__ = ()
    tag: ClassVar[int] = 0x6F


class _OfBind(LDAPResult):
    __slots__ = ()
    tag: ClassVar[int] = 0x61


# Neither has a repr of its own: what it adds may be secret.
@dataclass(init=False, slots=True, unsafe_hash=True, repr=False)
class BindResponse(_OfBind):
    """RFC 4511 section 4.2.2."""

    server_sasl_creds: Final[bytes | None]

    def __init__(
        self,
        result_code: ResultCode | int,
        matched_dn: str = "",
        diagnostic_message: str = "",
        referral: tuple[str, ...] = (),
        server_sasl_creds: bytes | None = None,
    ) -> None:
        LDAPResult.__init__(self, result_code, matched_dn, diagnostic_message, referral)
        self.server_sasl_creds = server_sasl_creds


class _OfExtended(LDAPResult):
    __slots__ = ()
    tag: ClassVar[int] = 0x78


@dataclass(init=False, slots=True, unsafe_hash=True, repr=False)
class ExtendedResponse(_OfExtended):
    """RFC 4511 section 4.12; with message_id 0 an unsolicited notification (section 4.4)."""

    response_name: Final[str | None]
    response_value: Final[bytes | None]

    def __init__(
        self,
        result_code: ResultCode | int,
        matched_dn: str = "",
        diagnostic_message: str = "",
        referral: tuple[str, ...] = (),
        response_name: str | None = None,
        response_value: bytes | None = None,
    ) -> None:
        LDAPResult.__init__(self, result_code, matched_dn, diagnostic_message, referral)
        self.response_name = response_name
        self.response_value = response_value

    def __repr__(self) -> str:
        return f"{LDAPResult.__repr__(self)[:-1]}, response_name={self.response_name!r})"
