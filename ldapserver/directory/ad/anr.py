"""Ambiguous name resolution: `(anr=jim sm)` looks wherever names stand ([MS-ADTS] 3.1.1.3.1.3.4)."""

from collections.abc import Sequence

from ldapserver.wire.filters import And, Approximate, Equality, Extensible, Filter, Or, Present, Substrings

ANR = "anr"
ANR_OID = "1.2.840.113556.1.4.1208"

# Those whose searchFlags have fANR, as a forest of Windows Server 2008 and later has them.
ANR_SET = (
    *("displayName", "givenName", "legacyExchangeDN", "msDS-AdditionalSamAccountName", "msDS-PhoneticCompanyName"),
    *("msDS-PhoneticDepartment", "msDS-PhoneticDisplayName", "msDS-PhoneticFirstName", "msDS-PhoneticLastName"),
    *("physicalDeliveryOfficeName", "proxyAddresses", "name", "sAMAccountName", "sn"),
)
_WHOLE = "legacyexchangedn"  # compared whole: its values all begin alike
FALSE = Or(())


def is_anr(attribute: str | None) -> bool:
    """Whether a filter's attribute is aNR."""
    return attribute is not None and attribute.lower() in (ANR, ANR_OID)


def resolve(item: Filter, attributes: Sequence[str] = ANR_SET) -> Filter:
    """The filter that an item on aNR stands for, over `attributes`; any other filter as it is.

    One that asks for presence, for order or for an end is false: no entry has the attribute itself.
    """
    match item:
        case Equality(attribute, value) | Approximate(attribute, value) if is_anr(attribute):
            return _expanded(value, attributes)
        case Substrings(attribute, initial, between, final) if is_anr(attribute):
            return _expanded(initial, attributes) if initial and not between and not final else FALSE
        case Present(attribute) | Extensible(_, attribute) if is_anr(attribute):
            return FALSE
    return item


def _expanded(value: bytes, attributes: Sequence[str]) -> Filter:
    # "=jim smith" asks for the whole value, everything else for its beginning.
    exact = value[:1] == b"="
    wanted = (value[1:] if exact else value).strip(b" ")
    if not wanted:
        return FALSE
    items: list[Filter] = [_item(name, wanted, exact or name.lower() == _WHOLE) for name in attributes]
    # At the first blank, for there the given name may end, or the surname.
    first, blank, last = wanted.partition(b" ")
    last = last.lstrip(b" ")
    if blank and last:
        for given, surname in ((first, last), (last, first)):
            items.append(And((_item("givenName", given, exact), _item("sn", surname, exact))))
    return Or(tuple(items))


def _item(attribute: str, value: bytes, exact: bool) -> Filter:
    return Equality(attribute, value) if exact else Substrings(attribute, value, (), None)
