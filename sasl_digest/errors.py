"""What is raised: the other side's fault, or our caller's. A wrong password is neither: it is a `Failure`."""


class DigestError(Exception):
    """Whatever this package raises."""


class PeerError(DigestError):
    """The other side broke the protocol."""


class MalformedMessage(PeerError):
    """A digest message breaks a rule of RFC 2831: `directive` says where, `rule` what was due.

    Neither ever holds the value of a nonce, a response or a password, so both may be logged.
    """

    def __init__(self, directive: str, rule: str) -> None:
        super().__init__(f"{directive}: {rule}")
        self.directive = directive
        self.rule = rule


class UsageError(DigestError):
    """Our caller is wrong (a bug, never caused by what a peer sends)."""
