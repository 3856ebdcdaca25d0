"""What a directory in memory knows of accounts, at once: who a name means, and what stands against them.

Binds ask it without a coroutine (`answers.py`), everybody else by the methods of `Directory`.
"""

from ldapserver.directory.account import Account
from ldapserver.directory.account_state import Judgement
from ldapserver.directory.contents import Contents
from ldapserver.directory.lockout import Lockout
from ldapserver.directory.policy import Policy
from ldapserver.directory.profile import Profile
from ldapserver.wire.dn import DN


class Accounts:
    """The accounts in `contents`, in the domain of these two names; each method is that of `Directory`."""

    def __init__(self, contents: Contents, profile: Profile, netbios: str, realm: str) -> None:
        self._contents = contents
        self._profile = profile
        self._names = contents.names
        self._lockout = Lockout(contents)
        self._netbios = netbios
        self._realm = realm
        self._policy = contents.policy
        self._policy_of = -1  # the write it holds since

    def find_account(self, name: str) -> Account | None:
        """See `Directory`."""
        node = self._lockout.lately = self._names.find(name, self._netbios, self._realm)
        return None if node is None else node.account

    def account_at(self, dn: DN) -> Account | None:
        """See `Directory`."""
        node = self._lockout.lately = self._contents.root.find(dn)
        return None if node is None else node.account

    def judge(
        self,
        account: Account | None,
        right: bool,
        workstation: str,
        by_password: bool,
        counted: bool,
        policy: Policy | None = None,
    ) -> Judgement:
        """See `Directory`; by its `policy` where a directory has one of its own."""
        if policy is None:
            policy = self.policy()
        return self._lockout.judge(
            account, policy, right=right, workstation=workstation, by_password=by_password, counted=counted
        )

    def privileges(self, dn: DN) -> tuple[str, ...]:
        """See `Directory`."""
        return self._profile.privileges(self._contents, dn)

    def policy(self) -> Policy:
        """See `Directory`."""
        serial = self._contents.serial
        if self._policy_of != serial:
            self._policy, self._policy_of = self._profile.policy(self._contents), serial
        return self._policy

    def most_secrets(self) -> int:
        """See `Directory`."""
        return self._contents.most_secrets

    def ask_anew(self) -> None:
        """Something else is asked of accounts, though nothing may have been written."""
        self._policy_of = -1
