"""How the results of a search leave: in slices, with a pause behind each, and no further than the peer reads."""

from collections.abc import AsyncIterator, Callable

from ldapserver.errors import OperationRefused
from ldapserver.operation import Reply
from ldapserver.search import Part
from ldapserver.stream import Stream
from ldapserver.suspension import Host
from ldapserver.wire import codec
from ldapserver.wire.messages import LDAPMessage

SLICE = 16 * 1024  # octets gathered before they are written


async def send_results(
    message_id: int, parts: AsyncIterator[Part], stream: Stream, host: Host, in_turn: Callable[[], bool]
) -> None:
    """Send what a search gives; `in_turn` is whether the turn is that of a request, whose end sends what there is.

    A search that ends with its first batch, and in one slice, is answered in one write and one turn. Otherwise others
    have a turn behind each batch and each slice. Raises OperationRefused, with what came before it sent.
    """
    gathered: list[bytes] = []
    size = 0

    def write() -> None:
        nonlocal size
        stream.write(b"".join(gathered))
        gathered.clear()
        size = 0

    first = True
    try:
        async for part in parts:
            if isinstance(part, Reply):
                gathered.append(codec.encode(LDAPMessage(message_id, part.response, part.controls)))
                break
            for found in part:
                gathered.append(codec.encode(LDAPMessage(message_id, found)))
                size += len(gathered[-1])
                # A few large entries are a slice too.
                if size > SLICE:
                    write()
                    if not in_turn():
                        stream.flush(more=True)
                    await host.pause()
            if not first:
                if gathered:
                    write()
                # In the turn of a request its end sends what there is; after a pause this is the end of a turn.
                if not in_turn():
                    stream.flush(more=True)
                await host.pause()
            first = False
    except OperationRefused:
        stream.write(b"".join(gathered))
        raise
    stream.write(b"".join(gathered))
