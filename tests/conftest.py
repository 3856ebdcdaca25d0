"""What holds for the whole suite."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time: what fails does so for whoever comes next. `make explore` looks for others. None has a
# deadline, for how long it takes is the machine's affair.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", TIMELESS, derandomize=True)
settings.register_profile("explore", TIMELESS, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # Thousands of tests are there to the end: whoever looks for garbage, and some tests must, need not look at them.
    gc.collect()
    gc.freeze()
