"""What wrapping 64 KiB costs in each security layer, beside the hashing and sealing it cannot do without."""

import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sasl_digest import QOP, Cipher
from sasl_digest.ciphers import encryptor
from sasl_digest.layers import server_layer

SIZE = 64 * 1024  # octets of a message
KEY = bytes(range(16))


@dataclass(frozen=True)
class Throughput:
    """Megabytes a second."""

    name: str
    wrapped: float
    floor: float


def measure(seconds: float = 0.3) -> list[Throughput]:
    """Every layer there is, the best of several runs of each."""
    message = os.urandom(SIZE)
    kinds: list[tuple[QOP, Cipher | None]] = [(QOP.AUTH_INT, None), *((QOP.AUTH_CONF, cipher) for cipher in Cipher)]
    found = []
    for qop, cipher in kinds:
        layer = server_layer(KEY, qop, cipher, peer_maxbuf=16 * SIZE, limit=SIZE)
        assert layer is not None
        name = qop.decode() if cipher is None else f"{qop.decode()} {cipher.decode()}"
        wrapped = _rate(partial(layer.wrap, message), seconds)
        found.append(Throughput(name, wrapped, _rate(_floor(message, cipher), seconds)))
    return found


def _floor(message: bytes, cipher: Cipher | None) -> Callable[[], object]:
    if cipher is None:
        return lambda: hmac.digest(KEY, message, "md5")
    seal = encryptor(cipher, KEY)
    return lambda: (hmac.digest(KEY, message, "md5"), seal.update(message))


def _rate(work: Callable[[], object], seconds: float) -> float:
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return SIZE / best / 1e6
