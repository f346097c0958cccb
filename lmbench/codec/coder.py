"""Tokens to bits and back, by the range coder of `constriction` (Martin 1979), with the probabilities of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.codec import frequencies as steps_of
from lmbench.codec.frequencies import TOTAL, Floats, Ints, NoCodeError
from lmbench.errors import LmbenchError, UsageError
from lmbench.generation.following import Following
from lmbench.invocation import install
from lmbench.model.base import Model
from lmbench.progress import Progress

SLACK = 64  # bits that the end of a range coder may take, and more
_REPORTED = 0.001  # by which payload and code length may differ beside that
_EVERY = 64  # tokens between two looks of the progress


class BrokenCodeError(Exception):
    """Bits that cannot be what was encoded."""


def agrees(payload_bits: float, code_length: float) -> bool:
    """Whether the size of a payload is what a code length in bits says: to 0.1 % and 64 bits."""
    return abs(payload_bits - code_length) <= _REPORTED * code_length + SLACK


def encode(model: Model, ids: NDArray[np.integer[Any]], end_of_text: int, progress: Progress) -> bytes:
    """The payload of `ids`, the tokens of a text from its beginning. Raises LmbenchError for one that the model holds
    for impossible."""
    with _one_thread():
        return _encoded(Following(model, end_of_text), ids, progress)


def _encoded(text: Following, ids: NDArray[np.integer[Any]], progress: Progress) -> bytes:
    coder = _constriction().stream.queue.RangeEncoder()
    with progress.task("compressing", len(ids)) as task:
        for number, token in enumerate(ids.tolist()):
            try:
                for symbol, frequencies in _path(steps_of.probabilities(text.log_probs()), token):
                    if len(frequencies) > 1:
                        coder.encode(symbol, _table(frequencies))
            except NoCodeError as error:
                raise LmbenchError(
                    f"token {number + 1:,} has no code: {error}; take a model that is smoothed"
                ) from error
            text.accept(token)
            if number % _EVERY == _EVERY - 1:
                task.advance(_EVERY)
    words = coder.get_compressed()
    return bytes(words.astype("<u4").tobytes())


def decode(model: Model, payload: bytes, count: int, end_of_text: int, progress: Progress) -> Iterator[int]:
    """The `count` ids of a payload, one after the other.

    Raises BrokenCodeError where it is not what the model could have encoded; what came before is to be thrown away.
    """
    with _one_thread():
        yield from _decoded(Following(model, end_of_text), payload, count, progress)


def _decoded(text: Following, payload: bytes, count: int, progress: Progress) -> Iterator[int]:
    if len(payload) % 4:
        raise BrokenCodeError("its payload is cut within a word")
    words = np.frombuffer(payload, dtype="<u4").astype(np.uint32)
    coder = _Reader(_constriction().stream.queue.RangeDecoder(words), 8 * len(payload) + SLACK)
    with progress.task("decompressing", count) as task:
        for number in range(count):
            token = coder.token(steps_of.probabilities(text.log_probs()))
            text.accept(token)
            yield token
            if number % _EVERY == _EVERY - 1:
                task.advance(_EVERY)


def _path(probs: Floats, token: int) -> Iterator[tuple[int, Ints]]:
    sums = steps_of.blocks(probs)
    if sums is None:
        yield from steps_of.path(probs, token)
        return
    number, place = steps_of.place_of(token)
    yield from steps_of.path(sums, number)
    yield from steps_of.path(steps_of.block(probs, number), place)


class _Reader:
    """Takes tokens from a payload, and no more bits than it has: behind its end a decoder reads zeros for ever."""

    def __init__(self, coder: Any, bits: float) -> None:
        self._coder = coder
        self._left = bits

    def token(self, probs: Floats) -> int:
        sums = steps_of.blocks(probs)
        if sums is None:
            return self._symbol(probs)
        number = self._symbol(sums)
        return steps_of.token_in(number, self._symbol(steps_of.block(probs, number)))

    def _symbol(self, shares: Floats) -> int:
        for step in steps_of.steps(shares):
            symbol = 0
            if len(step.frequencies) > 1:
                symbol = int(self._coder.decode(_table(step.frequencies)))
                self._left += math.log2(int(step.frequencies[symbol]) / TOTAL)
            if self._left < 0:
                raise BrokenCodeError("its payload has fewer bits than its tokens would take")
            if symbol < len(step.symbols):
                return int(step.symbols[symbol])
            if not step.onward or symbol > len(step.symbols):
                break
        raise BrokenCodeError("its payload leads to no token")


def _table(frequencies: Ints) -> Any:
    """The coder's model of whole frequencies that sum to `TOTAL`: it gives each symbol one, and divides what is left by
    weights, here by those that leave nothing to be rounded."""
    weights = (frequencies - 1).astype(np.float64)
    return _constriction().stream.model.Categorical(weights, perfect=False, lazy=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch and for the BLAS of numpy: sums split among several are added in another order."""
    import torch

    before = torch.get_num_threads()
    with ExitStack() as stack:
        stack.enter_context(_threadpoolctl().threadpool_limits(1))
        stack.callback(torch.set_num_threads, before)
        torch.set_num_threads(1)
        yield


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise UsageError(f"arithmetic coding needs the package constriction: {install('constriction')}") from None
    return constriction


def _threadpoolctl() -> Any:
    try:
        import threadpoolctl
    except ImportError:
        raise UsageError(f"arithmetic coding needs the package threadpoolctl: {install('threadpoolctl')}") from None
    return threadpoolctl


def check_installed() -> None:
    """Raises UsageError where a package that coding needs is not installed."""
    _constriction()
    _threadpoolctl()
