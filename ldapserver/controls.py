"""Which controls are known, and what becomes of a request that needs one that is not (RFC 4511 section 4.1.11)."""

from collections.abc import Iterable

from ldapserver.wire.messages import Control

# manageDsaIT (RFC 3296): nothing here is a referral, so every entry is already treated as what it is.
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"

SUPPORTED_CONTROLS = (MANAGE_DSA_IT,)


def unknown_critical(controls: Iterable[Control]) -> Control | None:
    """The first control that may not be ignored and is not known."""
    for control in controls:
        if control.criticality and control.control_type not in SUPPORTED_CONTROLS:
            return control
    return None
