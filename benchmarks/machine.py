"""Where and with what something was measured."""

import os
import platform
import re
from pathlib import Path


def described() -> dict[str, str]:
    """Processor, cores that may be used, kernel and interpreter."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    # Not every architecture has a name for it there.
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()
