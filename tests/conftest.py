"""What holds for the whole suite."""

import gc
import os
from importlib import import_module

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time: what fails does so for whoever comes next. `make explore` looks for others. None has a
# deadline, for how long it takes is the machine's affair.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", TIMELESS, derandomize=True)
settings.register_profile("explore", TIMELESS, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "interpreted(module): looks into this module as can be done with Python only")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Compiled code calls what is compiled too without looking its name up, so nothing can be put in its place; it
    # looks at the types of arguments itself, and keeps only the classes among the annotations.
    for mark in item.iter_markers("interpreted"):
        if not str(import_module(mark.args[0]).__file__).endswith(".py"):
            pytest.skip(f"{mark.args[0]} is compiled")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    # Thousands of tests are there to the end: whoever looks for garbage, and some tests must, need not look at them.
    gc.collect()
    gc.freeze()
