"""What `ldp` says, and where: the words of Windows' LDP.exe, or objects of JSON, or LDIF.

LDP.exe's transcript goes to standard output; it follows what LDP.exe shows on Windows Server 2012 to 2022. With
--json or --ldif standard output has nothing but these, and the rest goes to standard error.
"""

import io
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ldapserver.cli.entry_json import json_lines
from ldapserver.cli.exit_status import Failure
from ldapserver.cli.remote import status_of
from ldapserver.directory.entry import is_password
from ldapserver.directory.ldif import Attributes, write_record
from ldapserver.hosting.ldif_file import HEADER
from ldapserver.printable import printable

DASHES = "-----------"

# As winldap's ldap_err2string() has them, where that is not RFC 4511's name with the words set apart.
_ERRORS = {
    8: "Strong Authentication Required",
    16: "No Such Attribute",
    17: "Undefined Type",
    20: "Attribute Or Value Exists",
    21: "Invalid Syntax",
    32: "No Such Object",
    34: "Invalid DN Syntax",
    50: "Insufficient Rights",
    53: "Unwilling To Perform",
    66: "Not Allowed On Non-Leaf",
    67: "Not Allowed On RDN",
    68: "Already Exists",
}

# What Windows says to the code at the head of a domain controller's diagnosticMessage, [MS-ERREF] 2.1 and 2.2.
_WINDOWS_ERRORS = {
    0x5: "Access is denied.",
    0x1F: "A device attached to the system is not functioning.",
    0x56: "The specified network password is not correct.",
    0x4DC: "The operation being requested was not performed because the user has not been authenticated.",
    0x52D: "Unable to update the password. The value provided for the new password does not meet the length, "
    "complexity, or history requirements of the domain.",
    0x57: "The parameter is incorrect.",
    0x523: "The name provided is not a properly formed account name.",
    0x524: "The specified account already exists.",
    0x20B5: "The name reference is invalid.",
    0x2028: "A more secure authentication method is required for this server.",
    0x2030: "There is no such object on the server.",
    0x2035: "The server is unwilling to process the request.",
    0x2071: "An attempt was made to add an object to the directory with a name that is already in use.",
    0x207B: "The attribute type specified to the directory service is not defined.",
    0x207C: "A required attribute is missing.",
    0x207D: "An attempt was made to modify an object to include an attribute that is not legal for its class.",
    0x2089: "The parent object could not be found.",
    0x208D: "Directory object not found.",
    0x2098: "Insufficient access rights to perform the operation.",
    0x20B1: "The attribute cannot be modified because it is owned by the system.",
    0x80090303: "The specified target is unknown or unreachable",
    0x80090308: "The token supplied to the function is invalid",
    0x8009030C: "The logon attempt failed",
    0x80090311: "No authority could be contacted for authentication.",
    0x80090346: "Client's supplied Security Support Provider Interface (SSPI) channel bindings were incorrect.",
}


class Refused(Failure):
    """The server has refused it. LDP's transcript has said so; the line is for who reads no transcript."""


class Form(Enum):
    """What standard output has."""

    LDP = "ldp"
    JSON = "json"
    LDIF = "ldif"


@dataclass
class Output:
    """Where a command says what it does."""

    form: Form = Form.LDP
    _header: str = HEADER

    def __post_init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def say(self, line: str) -> None:
        """A line of the transcript."""
        if self.form is Form.LDP:
            print(line, flush=True)

    def say_of_wire(self, line: str) -> None:
        """A line of -v, which stands in the transcript where there is one, and else beside the output."""
        print(line, flush=True, file=sys.stdout if self.form is Form.LDP else sys.stderr)

    def note(self, line: str) -> None:
        """A line about what was done, or was not, on standard error."""
        print("ldp:", printable(line), file=sys.stderr, flush=True)

    def object(self, shown: dict[str, Any]) -> None:
        """What a program is to read."""
        if self.form is Form.JSON:
            print(json.dumps(shown), flush=True)

    def entries(self, entries: Iterable[tuple[str, Attributes]]) -> None:
        """Entries for a program to read. Passwords are left out: nobody has asked for them. Raises InvalidLDIF."""
        bare = ((dn, tuple((name, values) for name, values in held if not is_password(name))) for dn, held in entries)
        if self.form is Form.JSON:
            pieces = json_lines(bare)
        elif self.form is Form.LDIF:
            pieces = (self._record(*entry) for entry in bare)
        else:
            return
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    def _record(self, name: str, attributes: Attributes) -> bytes:
        header, self._header = self._header, ""
        return f"{header}\n{write_record(name, attributes)}".encode()

    def end_of_entries(self) -> None:
        """There are no more: an LDIF file of none has its header all the same."""
        if self.form is Form.LDIF and self._header:
            print(self._header, end="", flush=True)

    def refused(self, what: str, result: dict[str, Any]) -> Refused:
        """The error of an operation in LDP's form, and what ends the command."""
        self.say(f"Error: {what}: {error_name(result)}. <{result['result']}>")
        self.say_server_error(result)
        for uri in result.get("referrals") or ():
            self.say(f">> Referral: {printable(uri)}")
        return Refused(status_of(result["result"]), refusal(what, result))

    def say_server_error(self, result: dict[str, Any]) -> None:
        """The server's words to its result code."""
        text = server_text(result)
        self.say(f"Server error: {text or '<empty>'}")
        # A domain controller's text begins with a Windows error code, which LDP explains.
        if head := re.match(r"([0-9A-Fa-f]{8}): ", text):
            code = int(head[1], 16)
            self.say(f"Error 0x{code:X} {_WINDOWS_ERRORS.get(code, '')}".rstrip())


def refusal(what: str, result: dict[str, Any]) -> str:
    """The line that says that `what` was refused."""
    text = server_text(result)
    elsewhere = "".join(f"; see {uri}" for uri in result.get("referrals") or ())
    return f"{what.lower()}: {result['description']} ({result['result']})" + (f": {text}" if text else "") + elsewhere


def result_object(result: dict[str, Any]) -> dict[str, Any]:
    """A result as a program reads it."""
    return {"code": result["result"], "result": result["description"], "text": server_text(result)}


def server_text(result: dict[str, Any]) -> str:
    """The diagnosticMessage, as it may stand on a terminal; Active Directory's ends with a NUL."""
    text: str = result.get("message") or ""
    return printable(text.rstrip("\0 \r\n"))


def error_name(result: dict[str, Any]) -> str:
    """`invalidCredentials` as winldap writes it: Invalid Credentials."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", result["description"])
    return _ERRORS.get(result["result"], spaced[:1].upper() + spaced[1:])
