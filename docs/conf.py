"""How Sphinx makes the site of these pages: `make docs`."""

from sasl_digest import __version__

project = "sasl-digest"
author = "the sasl-digest developers"
release = version = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sasl-digest {release}"
nitpicky = True  # a reference that leads nowhere is a warning, and `make docs` takes no warnings

myst_heading_anchors = 4  # so that `page.md#a-heading` leads there, as it does elsewhere
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["myst.header"]  # a page may begin below a first heading of its own
