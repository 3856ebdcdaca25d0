"""A connection's octets: how many buffers of a layer an answer leaves in, and that none of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldapserver.stream import Stream
from sasl_digest import QOP, Cipher
from tests.server.stage import Channel

MOST = 100


class Layer:
    """Says how long a buffer is, and nothing else."""

    qop = QOP.AUTH_INT
    cipher: Cipher | None = None
    most = MOST

    def wrap(self, data: bytes) -> bytes:
        assert len(data) <= MOST, "one buffer for each call"
        return b"%03d" % len(data) + data if data else b""

    def receive(self, data: bytes) -> bytes:
        return data


def buffers(channel: Channel) -> list[bytes]:
    """What has left, and is forgotten here."""
    found, written = [], bytes(channel.written)
    channel.written.clear()
    while written:
        end = 3 + int(written[:3])
        found.append(written[3:end])
        written = written[end:]
    return found


def layered() -> tuple[Stream, Channel]:
    channel = Channel()
    stream = Stream(1 << 20, channel)
    stream.lay(Layer())
    return stream, channel


@given(st.lists(st.lists(st.binary(min_size=1, max_size=150), max_size=4), max_size=5))
def test_answer_leaves_whole_in_as_few_buffers_as_may_be_and_none_of_them_short(turns: list[list[bytes]]) -> None:
    stream, channel = layered()
    for turn in turns:
        for message in turn:
            stream.write(message)
        stream.flush(more=True)
    stream.flush()
    found = buffers(channel)
    answer = b"".join(message for turn in turns for message in turn)
    assert b"".join(found) == answer
    assert len(found) <= -(-len(answer) // MOST)
    if len(answer) <= MOST:
        assert found == [answer] * bool(answer)
    else:
        assert min(map(len, found)) >= MOST // 2


def test_end_of_an_answer_is_kept_back_and_no_more_than_that() -> None:
    stream, channel = layered()
    stream.write(bytes(2 * MOST))
    stream.flush(more=True)
    assert buffers(channel) == []
    stream.write(bytes(3 * MOST))
    stream.flush(more=True)
    assert list(map(len, buffers(channel))) == [MOST] * 3
    stream.flush()
    assert list(map(len, buffers(channel))) == [MOST] * 2


@pytest.mark.parametrize("more", [False, True])
def test_in_the_clear_nothing_is_kept_back(more: bool) -> None:
    channel = Channel()
    stream = Stream(1 << 20, channel)
    stream.write(b"one")
    stream.write(b"two")
    assert not channel.written
    stream.flush(more=more)
    assert channel.written == b"onetwo"


def test_what_was_written_before_a_layer_leaves_in_the_clear() -> None:
    channel = Channel()
    stream = Stream(1 << 20, channel)
    stream.write(b"success")
    stream.lay(Layer())
    assert channel.written == b"success"
