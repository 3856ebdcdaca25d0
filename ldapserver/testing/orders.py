"""What users and groups are ordered with: checked where it is said, and sent to where the server is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from ldapserver.directory.ldif import Attributes
from ldapserver.directory.renewal import FORMS
from ldapserver.testing.finding import shown, told_of
from ldapserver.testing.values import attributes_of, brief, text_octets

CLEAR = ("cleartext",)


@dataclass(frozen=True, slots=True)
class User:
    """Who was added: `name` is what is typed to bind, `password` what was set; `groups` are DNs."""

    name: str
    dn: str
    password: str | None = field(default=None, repr=False)
    user_principal_name: str | None = None
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """What was added: `members` are DNs."""

    name: str
    dn: str
    members: tuple[str, ...] = ()


Who = str | User | Group  # a name, a DN, or what was added


@dataclass(frozen=True, slots=True)
class UserOrder:
    """What `Server.add_user` was asked for."""

    name: str
    password: str | None = field(repr=False)
    groups: tuple[Who, ...]
    disabled: bool
    must_change: bool
    locked: bool
    expired: bool | datetime
    forms: tuple[str, ...]
    under: str | None
    dn: str | None
    attributes: Attributes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """What `Server.add_group` was asked for."""

    name: str
    members: tuple[Who, ...]
    groups: tuple[Who, ...]
    under: str | None
    dn: str | None
    attributes: Attributes


# What else may stand in data files, and what a name like it is taken for.
USER_FIELDS = ("password", "groups", "disabled", "must_change", "locked", "expired", "scheme", "under", "dn")
GROUP_FIELDS = ("members", "groups", "under", "dn")


def user_order(
    name: str,
    /,
    password: str | None = None,
    *,
    groups: Iterable[Who] = (),
    disabled: bool = False,
    must_change: bool = False,
    locked: bool = False,
    expired: bool | datetime = False,
    scheme: str | Sequence[str] | None = None,
    under: str | None = None,
    dn: str | None = None,
    **attributes: object,
) -> UserOrder:
    """The order of these words. Raises ValueError."""
    with told_of(f"user {name!r}"):
        _check_place(name, under, dn)
        _check_flags(disabled=disabled, must_change=must_change, locked=locked)
        if not isinstance(expired, bool | datetime):
            raise ValueError(f"expired: must be True, False or a moment, and not {expired!r}")
        if isinstance(expired, datetime) and expired.tzinfo is None:
            raise ValueError("expired: a moment must know its zone")
        given = _attributes(attributes, USER_FIELDS)
        if password is not None and any(each.lower() == "userpassword" for each, _ in given):
            raise ValueError("userPassword: not together with password")
        return UserOrder(
            name,
            _checked_password(password),
            _several("groups", groups),
            disabled,
            must_change,
            locked,
            expired,
            _forms(password, scheme),
            under,
            dn,
            given,
        )


def group_order(
    name: str,
    /,
    members: Iterable[Who] = (),
    *,
    groups: Iterable[Who] = (),
    under: str | None = None,
    dn: str | None = None,
    **attributes: object,
) -> GroupOrder:
    """The order of these words. Raises ValueError."""
    with told_of(f"group {name!r}"):
        _check_place(name, under, dn)
        given = _attributes(attributes, GROUP_FIELDS)
        return GroupOrder(name, _several("members", members), _several("groups", groups), under, dn, given)


def password_order(password: str, scheme: str | Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    """A password and the forms to keep it in, none for those that are there. Raises ValueError."""
    checked = _checked_password(password)
    if checked is None:
        raise ValueError("password: must be text")
    return checked, () if scheme is None else _forms(password, scheme)


def _check_place(name: object, under: object, dn: object) -> None:
    for what, value in (("name", name), ("under", under), ("dn", dn)):
        if value is None and what != "name":
            continue
        if not isinstance(value, str):
            raise ValueError(f"{what}: must be text, and not {type(value).__name__}")
        if not value:
            raise ValueError(f"{what}: must not be empty")
        text_octets(what, value)
    if under is not None and dn is not None:
        raise ValueError("under: not together with dn, which says it")


def _check_flags(**flags: object) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name}: must be True or False, and not {value!r}")


def _several(field: str, who: object) -> tuple[Who, ...]:
    # Text is a list of letters for Python, and nobody means that.
    if isinstance(who, str) or not isinstance(who, Iterable):
        raise ValueError(f"{field}: must be a list")
    listed = tuple(who)
    for each in listed:
        if not isinstance(each, str | User | Group) or not shown(each):
            raise ValueError(f"{field}: must be names, DNs, Users or Groups, and not {brief(each)}")
    return listed


def _checked_password(password: object) -> str | None:
    if password is not None and not isinstance(password, str):
        raise ValueError(f"password: must be text, and not {type(password).__name__}")
    if password == "":
        raise ValueError("password: must not be empty: a simple bind with it would be anonymous (RFC 4513, 5.1.2)")
    if password is not None:
        text_octets("password", password)
    return password


def _forms(password: str | None, scheme: object) -> tuple[str, ...]:
    if scheme is None:
        return CLEAR
    if password is None:
        raise ValueError("scheme: has no meaning without password")
    forms = [str(form).lower() for form in (scheme if isinstance(scheme, list | tuple) else [scheme])]
    for form in forms:
        if form not in FORMS:
            raise ValueError(f"scheme: {form!r} is none of {', '.join(FORMS).upper()}")
    if not forms:
        raise ValueError("scheme: must not be empty")
    return tuple(forms)


def _attributes(given: Mapping[str, object], fields: Sequence[str]) -> Attributes:
    for name in given:
        meant = get_close_matches(name.lower(), fields, n=1, cutoff=0.85)
        if meant and name.lower() not in _LIKE_FIELDS:
            raise ValueError(f"{name}: no such field; {meant[0]} may be meant")
    return attributes_of(given)


_LIKE_FIELDS = frozenset(("member",))  # an attribute, whatever it is like
