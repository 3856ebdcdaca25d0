"""`--loop`: which event loop a process waits with. A reactor of Twisted's runs the program in either case."""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ldapserver.usage import UsageFault

if TYPE_CHECKING:
    from ldapserver.hosting.adopting import Bringer

LOOPS = ("auto", "twisted", "uvloop")


@dataclass(frozen=True)
class Loop:
    """The reactor that runs the program, and who brings what clients send; None is the reactor itself."""

    name: str
    reactor: Any
    bringer: "Bringer | None" = None


def check_loop(name: str) -> None:
    """Raises UsageFault for one that cannot be had."""
    if name == "uvloop" and find_spec("uvloop") is None:
        raise UsageFault("argument --loop: uvloop: is not installed; pip install 'sasl-digest[speed]' does that")


def loop_name(name: str) -> str:
    """Which it comes to in a process that has none yet."""
    return "twisted" if name == "twisted" or find_spec("uvloop") is None else "uvloop"


def begin_loop(name: str) -> Loop:
    """Make the loop of this process; where a program has made Twisted's already, take that. Raises UsageFault."""
    check_loop(name)
    made = "twisted.internet.reactor" in sys.modules
    if made and name == "uvloop":
        raise UsageFault("argument --loop: uvloop: this process has a reactor already")
    if made or loop_name(name) == "twisted":
        from twisted.internet import reactor

        return Loop("twisted", reactor, _poller(reactor))
    # Loaded here: it is asyncio, for which a server on Twisted's own reactor has no use.
    import uvloop
    from twisted.internet import asyncioreactor

    loop = uvloop.new_event_loop()
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]  # Twisted's own
    from twisted.internet import reactor

    return Loop("uvloop", reactor, _poller(reactor) or _by_asyncio(loop))


def _poller(reactor: Any) -> "Bringer | None":
    """What waits for the sockets in place of `reactor`, which has but this to read; None where there is no epoll."""
    from ldapserver.poller import AVAILABLE, Poller

    return Poller(reactor) if AVAILABLE else None


def _by_asyncio(loop: Any) -> "Bringer":
    from ldapserver.hosting.adopting import ByAsyncio

    return ByAsyncio(loop)
