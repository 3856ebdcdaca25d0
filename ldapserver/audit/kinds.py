"""The Windows events that are written: their numbers, what they are called, and the names in their EventData."""

from dataclasses import dataclass


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


CREDENTIAL_VALIDATION = Kind(
    4776,
    0,
    14336,
    "Credential Validation",
    ("PackageName", "TargetUserName", "Workstation", "Status"),
    None,
    "credential-validated",
    "authentication",
    ("start",),
)
