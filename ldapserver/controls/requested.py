"""What the controls of one request ask for, as values."""

from dataclasses import dataclass, field

from ldapserver.wire.filters import Filter


@dataclass(frozen=True, slots=True)
class PagedResults:
    """At most `size` entries now, and more for who comes back with the cookie (RFC 2696)."""

    size: int
    cookie: bytes


@dataclass(frozen=True, slots=True)
class SortKey:
    """One of the attributes that results are sorted by; without a rule its type's own ordering counts."""

    attribute: str
    ordering_rule: str | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class ServerSideSort:
    """The order in which results are wanted, the most significant key first (RFC 2891)."""

    keys: tuple[SortKey, ...]
    critical: bool = False  # better nothing than unsorted


@dataclass(frozen=True, slots=True)
class VirtualListView:
    """A window of the sorted results: so many entries before a target and behind it.

    The target is the entry at `offset` of a list that the client takes to have `content_count` entries, or, where
    `value` is not None, the first that is not less than that. draft-ietf-ldapext-ldapv3-vlv-09
    """

    before: int
    after: int
    offset: int = 0
    content_count: int = 0
    value: bytes | None = field(default=None, repr=False)
    context_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Controls:
    """What the controls of one request ask for, as values."""

    assertion: Filter | None = None  # carry it out only if this is true of the entry: RFC 4528
    pre_read: tuple[str, ...] | None = None  # attributes to return as they were before: RFC 4527
    post_read: tuple[str, ...] | None = None  # attributes to return as they are behind: RFC 4527
    tree_delete: bool = False  # delete what is below as well: draft-armijo-ldap-treedelete
    permissive_modify: bool = False  # let what is there already be added, and what is not be deleted: [MS-ADTS]
    manage_dsa_it: bool = False  # take referral objects for the entries that they are: RFC 3296
    domain_scope: bool = False  # return no search continuation references: [MS-ADTS]
    authzid: str | None = None  # carry it out as somebody else: RFC 4370
    paged: PagedResults | None = None
    sort: ServerSideSort | None = None
    view: VirtualListView | None = None
    values: tuple[Filter, ...] | None = None  # return only values of which one of these is true: RFC 3876
    subentries: bool | None = None  # return subentries only, or none: RFC 3672 section 3


NO_CONTROLS = Controls()
