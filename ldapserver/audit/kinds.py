"""The Windows events that are written: their numbers, what they are called, and the names in their EventData."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """One event: id and version, task and what the task is called, and the names of its data in their order.

    `success` is whether its keywords say Audit Success; None where that depends on the record (4776). `action`,
    `category` and `type` are what ECS calls it (`event.action` and so on).
    """

    event_id: int
    version: int
    task: int
    task_name: str
    names: tuple[str, ...]
    success: bool | None
    action: str
    category: str
    type: tuple[str, ...]


_SUBJECT = ("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId")
_TARGET = ("TargetUserSid", "TargetUserName", "TargetDomainName")
_NETWORK = ("ProcessId", "ProcessName", "IpAddress", "IpPort")
_PACKAGES = ("TransmittedServices", "LmPackageName", "KeyLength")

CREDENTIAL_VALIDATION: Final = Kind(
    event_id=4776,
    version=0,
    task=14336,
    task_name="Credential Validation",
    names=("PackageName", "TargetUserName", "Workstation", "Status"),
    success=None,
    action="credential-validated",
    category="authentication",
    type=("start",),
)
LOGON: Final = Kind(
    event_id=4624,
    version=2,
    task=12544,
    task_name="Logon",
    names=(
        *_SUBJECT,
        *_TARGET,
        *(
            "TargetLogonId",
            "LogonType",
            "LogonProcessName",
            "AuthenticationPackageName",
            "WorkstationName",
            "LogonGuid",
        ),
        *_PACKAGES,
        *_NETWORK,
        *("ImpersonationLevel", "RestrictedAdminMode", "TargetOutboundUserName", "TargetOutboundDomainName"),
        *("VirtualAccount", "TargetLinkedLogonId", "ElevatedToken"),
    ),
    success=True,
    action="logged-in",
    category="authentication",
    type=("start",),
)
LOGON_FAILED: Final = Kind(
    event_id=4625,
    version=0,
    task=12544,
    task_name="Logon",
    names=(
        *_SUBJECT,
        *_TARGET,
        *("Status", "FailureReason", "SubStatus", "LogonType", "LogonProcessName", "AuthenticationPackageName"),
        "WorkstationName",
        *_PACKAGES,
        *_NETWORK,
    ),
    success=False,
    action="logon-failed",
    category="authentication",
    type=("start",),
)
LOGOFF: Final = Kind(
    event_id=4634,
    version=0,
    task=12545,
    task_name="Logoff",
    names=(*_TARGET, "TargetLogonId", "LogonType"),
    success=True,
    action="logged-out",
    category="authentication",
    type=("end",),
)
SPECIAL_LOGON: Final = Kind(
    event_id=4672,
    version=0,
    task=12548,
    task_name="Special Logon",
    names=(*_SUBJECT, "PrivilegeList"),
    success=True,
    action="logged-in-special",
    category="iam",
    type=("admin",),
)
# Its TargetDomainName is the computer that the wrong passwords came from.
LOCKED_OUT: Final = Kind(
    event_id=4740,
    version=0,
    task=13824,
    task_name="User Account Management",
    names=("TargetUserName", "TargetDomainName", "TargetSid", *_SUBJECT),
    success=True,
    action="locked-out-user-account",
    category="iam",
    type=("user", "change"),
)

KINDS = {
    kind.event_id: kind for kind in (CREDENTIAL_VALIDATION, LOGON, LOGON_FAILED, LOGOFF, SPECIAL_LOGON, LOCKED_OUT)
}
