"""Authorization identities: who a user asks to be (RFC 4513 section 5.2.1.8), and who an account may be (authzTo).

authzId = "dn:" distinguishedName / "u:" userid
authzTo   "dn.exact:" DN / "dn:" DN / "u:" NAME, maybe with an order "{0}" in front, as OpenLDAP has them
"""

import re
from dataclasses import dataclass
from typing import Self

from ldapserver.wire.dn import DN, InvalidDN


class InvalidAuthzId(ValueError):
    """Neither a DN nor a user's name; the text says what is due."""


@dataclass(frozen=True, slots=True)
class AuthzId:
    """Somebody, by `dn`, or where that is None by `name`, which is any that an account answers to."""

    dn: DN | None = None
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an authzId. Raises InvalidAuthzId."""
        kind, colon, name = text.partition(":")
        if colon and kind.lower() == "dn":
            try:
                return cls(dn=DN.parse(name))
            except InvalidDN as error:
                raise InvalidAuthzId(str(error)) from None
        if colon and kind.lower() == "u":
            return cls(name=name)
        raise InvalidAuthzId("must begin with dn: or u:")

    @classmethod
    def meant(cls, text: str) -> Self:
        """Whom a person means by a DN, a name, or an authzId of either."""
        try:
            return cls.parse(text)
        except InvalidAuthzId:
            try:
                return cls(dn=DN.parse(text))
            except InvalidDN:
                return cls(name=text)

    @classmethod
    def of_rule(cls, value: bytes) -> Self:
        """Read a value of authzTo. Raises InvalidAuthzId, also for the patterns that OpenLDAP has beside these."""
        try:
            text = _ORDER.sub("", value.decode())
        except UnicodeDecodeError:
            raise InvalidAuthzId("authzTo: must be UTF-8") from None
        try:
            return cls.parse(re.sub(r"(?i)\Adn\.exact:", "dn:", text))
        except InvalidAuthzId as error:
            raise InvalidAuthzId(f"authzTo: {text}: {error}; dn.exact:, dn: and u: are what is known here") from None


_ORDER = re.compile(r"\A\{-?[0-9]+\}")
