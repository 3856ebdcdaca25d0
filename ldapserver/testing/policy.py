"""What a server asks of accounts, changed while it runs."""

import argparse
from typing import TYPE_CHECKING

from ldapserver.directory.policy import Policy
from ldapserver.hosting.assembly import policy_of

if TYPE_CHECKING:
    from ldapserver.testing.served import Served


def read(served: "Served") -> Policy:
    """What is asked now."""
    return served.directory.policy


def ask(served: "Served", options: argparse.Namespace, names: tuple[str, ...]) -> Policy:
    """Ask what the options of these names say from now on; what is then asked in all."""
    asked = policy_of(options)
    if "spare_old_passwords" not in names:
        del asked["spare_old_passwords"]
    served.directory.ask(asked)
    return served.directory.policy
