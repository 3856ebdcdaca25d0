"""What holds for the whole suite."""

import os

from hypothesis import HealthCheck, settings

# The same examples every time: what fails does so for whoever comes next. `make explore` looks for others. None has a
# deadline, for how long it takes is the machine's affair.
TIMELESS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", TIMELESS, derandomize=True)
settings.register_profile("explore", TIMELESS, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
