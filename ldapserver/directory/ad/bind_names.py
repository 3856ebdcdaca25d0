r"""What the name of a simple bind may mean, in the order Active Directory tries it ([MS-ADTS] 5.1.1.1.1).

    CN=Alice,DC=contoso,DC=com      alice@contoso.com     CONTOSO\alice      contoso.com/People/Alice
    {1da9...}                       Alice Apple           ldap/dc1           S-1-5-21-...-1104

Each form that the name can be of is tried in turn. The first that leads to one object decides; one that leads to
several refuses the bind.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from ldapserver.directory.ad.canonical import CanonicalName, parse_canonical
from ldapserver.directory.ad.guid import InvalidGUID, parse_guid
from ldapserver.directory.ad.sid import InvalidSID, parse_sid
from ldapserver.wire.dn import DN, InvalidDN
from ldapserver.wire.filters import Equality


class NameForm(Enum):
    """The forms, in their order."""

    DN = "distinguished name"
    USER_PRINCIPAL_NAME = "userPrincipalName"
    IMPLICIT_PRINCIPAL_NAME = "sAMAccountName@DNS-domain"
    NT4 = "NetBIOS-domain\\sAMAccountName"
    CANONICAL = "canonical name"
    GUID = "objectGUID in braces"
    DISPLAY_NAME = "displayName"
    SERVICE_PRINCIPAL_NAME = "servicePrincipalName"
    SID = "objectSid"
    SID_HISTORY = "sIDHistory"
    CANONICAL_EXTENDED = "canonical name with a line feed for its last slash"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of the name: where to look, an entry's name or what is true of the entry."""

    form: NameForm
    target: DN | CanonicalName | Equality


def candidates(name: str, *, dns_domain: str, netbios: str, suffixes: Collection[str] = ()) -> list[Candidate]:
    """The readings of `name` in their order, in the domain of these two names.

    `suffixes` are further domains that an implicit userPrincipalName may end in (uPNSuffixes of the forest).
    """
    return list(_candidates(name, dns_domain, netbios, suffixes)) if name else []


# A form that the name can't be of is left out, without a word: most names are of one or two.
def _candidates(name: str, dns_domain: str, netbios: str, suffixes: Collection[str]) -> Iterator[Candidate]:
    with suppress(InvalidDN):
        yield Candidate(NameForm.DN, DN.parse(name))
    text = name.encode("utf-8", "surrogatepass")
    if "@" in name:
        yield Candidate(NameForm.USER_PRINCIPAL_NAME, Equality("userPrincipalName", text))
        user, _, domain = name.rpartition("@")
        if user and domain.lower() in {each.lower() for each in (dns_domain, *suffixes)}:
            yield Candidate(NameForm.IMPLICIT_PRINCIPAL_NAME, _account(user))
    domain, backslash, user = name.partition("\\")
    if backslash and user and domain.lower() == netbios.lower():
        yield Candidate(NameForm.NT4, _account(user))
    canonical = parse_canonical(name)
    if canonical is not None:
        yield Candidate(NameForm.CANONICAL, canonical)
    if name.startswith("{"):
        with suppress(InvalidGUID):
            yield Candidate(NameForm.GUID, Equality("objectGUID", parse_guid(name)))
    yield Candidate(NameForm.DISPLAY_NAME, Equality("displayName", text))
    if "/" in name:
        yield Candidate(NameForm.SERVICE_PRINCIPAL_NAME, Equality("servicePrincipalName", text))
    with suppress(InvalidSID):
        sid = parse_sid(name)
        yield Candidate(NameForm.SID, Equality("objectSid", sid))
        yield Candidate(NameForm.SID_HISTORY, Equality("sIDHistory", sid))
    before, line_feed, last = name.rpartition("\n")
    extended = parse_canonical(f"{before}/{last}") if line_feed else None
    if extended is not None:
        yield Candidate(NameForm.CANONICAL_EXTENDED, extended)


def _account(user: str) -> Equality:
    return Equality("sAMAccountName", user.encode("utf-8", "surrogatepass"))
