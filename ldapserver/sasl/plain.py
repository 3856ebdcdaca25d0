"""PLAIN for the Bind operation (RFC 4616): a name and a password in one message, where nobody else can read them.

message = [authzid] UTF8NUL authcid UTF8NUL passwd
"""

from dataclasses import dataclass, field

from ldapserver import passwords
from ldapserver.audit.record import MSV1_0
from ldapserver.audit.status import BindReason
from ldapserver.directory.directory import Directory
from ldapserver.sasl.mechanism import NO_FACTS, Accepted, Connection, Continue, Facts, Outcome, Refused
from sasl_digest import Reason, UsageError
from sasl_digest.saslprep import prepare

MAX_FIELD = 4096  # octets: 255 of each field must be taken (RFC 4616 section 2), and no name or password is so long


class MalformedPlain(ValueError):
    """The message breaks the grammar; the text names the field and the rule."""


@dataclass(frozen=True, slots=True)
class PlainMessage:
    """The one message of an exchange; without an `authzid` the user asks to be itself."""

    authzid: str | None
    authcid: str
    password: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "PlainMessage":
        """Read a message. Raises MalformedPlain."""
        fields = data.split(b"\0")
        if len(fields) != 3:
            raise MalformedPlain("message: must be authzid, authcid and passwd with a NUL between them")
        texts = []
        for name, octets in zip(("authzid", "authcid", "passwd"), fields, strict=True):
            if len(octets) > MAX_FIELD:
                raise MalformedPlain(f"{name}: longer than {MAX_FIELD} octets")
            # Only the authzid may be left out.  RFC 4616 section 2
            if not octets and name != "authzid":
                raise MalformedPlain(f"{name}: must not be empty")
            try:
                texts.append(octets.decode())
            except UnicodeDecodeError:
                raise MalformedPlain(f"{name}: must be UTF-8") from None
        return cls(texts[0] or None, texts[1], fields[2])


class Plain:
    """The mechanism; with `saslprep` what clients send is prepared before it is compared (RFC 4616 section 2)."""

    def __init__(self, directory: Directory, *, saslprep: bool = False) -> None:
        self._directory = directory
        self._saslprep = saslprep

    def offered(self, connection: Connection) -> bool:
        """Where the password is safe from others: not in the clear, RFC 4616 section 4."""
        return connection.confidential

    def start(self, connection: Connection) -> "PlainExchange":
        """A new exchange."""
        return PlainExchange(connection, self._directory, saslprep=self._saslprep)


class PlainExchange:
    """One exchange."""

    package = MSV1_0

    def __init__(self, connection: Connection, directory: Directory, *, saslprep: bool) -> None:
        self._connection = connection
        self._directory = directory
        self._saslprep = saslprep
        self._asked = False

    async def step(self, credentials: bytes | None) -> Outcome:
        """Take the message; who sends none at first is asked for it."""
        message = malformed = None
        try:
            message = PlainMessage.parse(credentials or b"")
        except MalformedPlain as error:
            malformed = str(error)
        facts = NO_FACTS if message is None else Facts(message.authcid, authzid=message.authzid)
        # Who has sent a password in the clear is not told whether it was right, and nobody is asked for one there.
        # RFC 4513 section 5.2.1.5, RFC 4616 section 4
        if not self._connection.confidential:
            return Refused(BindReason.CONFIDENTIALITY_REQUIRED, facts)
        if not credentials and not self._asked:
            # Where the client speaks first and has not, it gets a challenge without data.  RFC 4422 section 5
            self._asked = True
            return Continue(b"")
        if message is None:
            return Refused(Reason.MALFORMED, facts, malformed)
        who = await passwords.named(self._directory, self._prepared(message.authcid))
        forms = dict.fromkeys((message.password, self._prepared(message.password.decode()).encode()))
        verified = passwords.verify(self._directory, self._connection.host, who, tuple(forms), facts)
        return verified if isinstance(verified, (Accepted, Refused)) else await verified

    def _prepared(self, text: str) -> str:
        """As SASLprep has it; what that forbids stays as it was sent."""
        if not self._saslprep:
            return text
        try:
            return prepare(text, "PLAIN")
        except UsageError:
            return text
