"""What mypyc is told of a class where it is compiled (`setup.py`), and what is nothing elsewhere.

`mypyc_attr(allow_interpreted_subclasses=True)`: modules that stay Python derive from it. `mypy_extensions` has it for
who compiles, and comes with mypy; a server runs without.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**told):
        """The class as it is."""
        return lambda decorated: decorated
