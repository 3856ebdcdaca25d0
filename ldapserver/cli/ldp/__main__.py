"""`python -m ldapserver.cli.ldp`."""

import sys

from ldapserver.cli.ldp import main

if __name__ == "__main__":
    sys.exit(main())
