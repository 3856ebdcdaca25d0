"""`ldapserver serve` that records nothing: `python -m benchmarks.unaudited OPTION...`.

There is no such option, for a server without an audit is not what this project is about. What the audit costs is the
difference to this.
"""

import sys

from ldapserver.cli import serve

if __name__ == "__main__":
    vars(serve)["sinks_of"] = lambda options, renderer: []
    sys.exit(serve.main(sys.argv[1:]))
