"""`python -m ldapserver` is `ldapserver`."""

import sys

from ldapserver.cli import main

sys.exit(main())
