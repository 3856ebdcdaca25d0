"""What holds for the whole suite."""

import os

from hypothesis import settings

# The same examples every time: what fails does so for whoever comes next. `make explore` looks for others. None has a
# deadline, for how long it takes is the machine's affair.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
