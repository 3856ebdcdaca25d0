"""The privileges that event 4672 is about: what an administrator of a domain controller is given.

Names, and their order in the event, as in exported logs of domain controllers that write version 2 of event 4624.
"""

BACKUP = ("SeBackupPrivilege", "SeRestorePrivilege")
LOAD_DRIVER = ("SeLoadDriverPrivilege",)
ADMINISTRATOR = (
    "SeSecurityPrivilege",
    *BACKUP,
    *("SeTakeOwnershipPrivilege", "SeDebugPrivilege", "SeSystemEnvironmentPrivilege"),
    *LOAD_DRIVER,
    *("SeImpersonatePrivilege", "SeDelegateSessionUserImpersonatePrivilege", "SeEnableDelegationPrivilege"),
)
