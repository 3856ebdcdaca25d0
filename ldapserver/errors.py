"""The ways an LDAP peer can be wrong: beyond repair, only in this request, or in what it asks for (RFC 4511)."""

from ldapserver.wire.messages import Control, ResultCode


class ProtocolViolation(Exception):
    """Framing or BER is broken: nothing after it can be trusted, so the connection ends after a notice."""


class InvalidRequest(Exception):
    """A request that is well-formed BER and refused by its content: it is answered, and the connection lives on.

    `response_tag` is the tag octet of the answer's protocolOp, for the answer goes out before there is a request.
    """

    def __init__(self, message_id: int, response_tag: int, result_code: ResultCode, diagnostic_message: str) -> None:
        super().__init__(diagnostic_message)
        self.message_id = message_id
        self.response_tag = response_tag
        self.result_code = result_code
        self.diagnostic_message = diagnostic_message


class OperationRefused(Exception):
    """A request that is understood and not carried out, or not to its end: its result (RFC 4511 section 4.1.9).

    `referral` are the URIs of who knows more, with the code `referral`; `controls` go with the response.
    """

    def __init__(
        self,
        result_code: ResultCode,
        diagnostic_message: str = "",
        matched_dn: str = "",
        *,
        referral: tuple[str, ...] = (),
        controls: tuple[Control, ...] = (),
    ) -> None:
        super().__init__(diagnostic_message or result_code.name)
        self.result_code = result_code
        self.diagnostic_message = diagnostic_message
        self.matched_dn = matched_dn
        self.referral = referral
        self.controls = controls


class WrongOldPassword(OperationRefused):
    """A write that is refused for the old password `given` with it, which is to be judged as a bind's is.

    `once_locked` is what is answered should the account turn out to be locked by then.
    """

    def __init__(self, refused: OperationRefused, given: bytes, once_locked: OperationRefused) -> None:
        super().__init__(refused.result_code, refused.diagnostic_message)
        self.given = given
        self.once_locked = once_locked
