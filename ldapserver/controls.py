"""Which controls are known, and what becomes of a request that needs one that is not (RFC 4511 section 4.1.11)."""

from collections.abc import Iterable
from dataclasses import dataclass

from ldapserver.wire.filters import Filter
from ldapserver.wire.messages import Control

# manageDsaIT (RFC 3296): nothing here is a referral, so every entry is already treated as what it is.
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"

SUPPORTED_CONTROLS = (MANAGE_DSA_IT,)


@dataclass(frozen=True, slots=True)
class Controls:
    """What the controls of one request ask for, as values."""

    assertion: Filter | None = None  # carry it out only if this is true of the entry: RFC 4528
    pre_read: tuple[str, ...] | None = None  # attributes to return as they were before: RFC 4527
    post_read: tuple[str, ...] | None = None  # attributes to return as they are behind: RFC 4527
    tree_delete: bool = False  # delete what is below as well: draft-armijo-ldap-treedelete


NO_CONTROLS = Controls()


def unknown_critical(controls: Iterable[Control]) -> Control | None:
    """The first control that may not be ignored and is not known."""
    for control in controls:
        if control.criticality and control.control_type not in SUPPORTED_CONTROLS:
            return control
    return None
