"""What holds for the whole suite."""

import os

from hypothesis import settings

# The same examples every time: what fails does so for whoever comes next. `make explore` looks for others.
settings.register_profile("suite", derandomize=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
