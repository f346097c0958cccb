"""Code lengths after the training text and over the whole text: what is counted decodes."""

from __future__ import annotations

import bz2
import lzma
import zlib

import numpy as np
import pytest
import zstandard
from entropy_texts import byte_tokens, nothing

from lmbench.entropy import estimators
from lmbench.entropy._compressor import _after_common
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent

PRIMED = ["zlib", "lzma", "zstd", "brotli", "ppm"]


def words(seed: int, count: int) -> bytes:
    made = ["".join(chr(97 + letter) for letter in np.random.default_rng(n).integers(0, 26, 6)) for n in range(300)]
    return " ".join(np.array(made)[np.random.default_rng(seed).integers(0, 300, count)]).encode()


TRAIN, TEST = words(1, 3000), words(2, 500)


def estimated(spec: str, train: bytes = TRAIN, test: bytes = TEST) -> Estimate:
    name = spec.split("(")[0]
    for package in estimators.describe(name).requires:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install lmbench[codec]")
    known = byte_tokens(train) if train else nothing(byte_tokens(test))
    (found,) = estimators.make(spec).estimate(known, byte_tokens(test), Silent())
    return found


@pytest.mark.parametrize("name", PRIMED)
def test_what_both_sides_know_is_not_coded_again(name: str) -> None:
    alone, primed = estimated(f"{name}(code=alone)"), estimated(f"{name}(code=primed)")
    assert primed.estimator == f"{name} after the training text"
    assert primed.bits_per_byte < alone.bits_per_byte - 0.1  # type: ignore[operator]
    seen = estimated(f"{name}(code=primed)", TRAIN, TRAIN[-2000:])
    assert seen.bits_per_byte < (0.8 if name == "ppm" else 0.2)  # type: ignore[operator]


def test_zlib_primed_decodes() -> None:
    encoder, decoder = zlib.compressobj(9), zlib.decompressobj()
    before = encoder.compress(TRAIN) + encoder.flush(zlib.Z_SYNC_FLUSH)
    sent = encoder.compress(TEST) + encoder.flush()
    assert decoder.decompress(before) == TRAIN
    assert decoder.decompress(sent) == TEST
    assert estimated("zlib(code=primed)").bits_per_byte == pytest.approx(8 * len(sent) / len(TEST))


def test_lzma_primed_decodes() -> None:
    def stream(text: bytes) -> bytes:
        return lzma.compress(text, format=lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME)

    sent = _after_common(stream(TRAIN + TEST), stream(TRAIN))
    whole = stream(TRAIN)[: len(stream(TRAIN + TEST)) - sent] + stream(TRAIN + TEST)[-sent:]
    assert lzma.decompress(whole, format=lzma.FORMAT_ALONE) == TRAIN + TEST
    assert estimated("lzma(code=primed)").bits_per_byte == pytest.approx(8 * (sent + 8) / len(TEST))


def test_what_follows_a_common_beginning() -> None:
    assert _after_common(b"abcdef", b"abcx") == 3
    assert _after_common(b"abc", b"abcd") == 0
    assert _after_common(b"abc", b"") == 3


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("zlib", len(zlib.compress(TRAIN + TEST, 9))),
        ("bz2", len(bz2.compress(TRAIN + TEST, 9))),
        ("lzma", len(lzma.compress(TRAIN + TEST, preset=9 | lzma.PRESET_EXTREME))),
        ("zstd", len(zstandard.ZstdCompressor(level=22).compress(TRAIN + TEST))),
    ],
)
def test_online_is_the_code_of_the_whole_text(name: str, size: int) -> None:
    found = estimated(f"{name}(code=online)")
    assert found.bits_per_byte == pytest.approx(8 * size / len(TRAIN + TEST))
    assert found.estimator == f"{name}, whole text online"


@pytest.mark.parametrize("name", PRIMED)
def test_priming_needs_a_training_text(name: str) -> None:
    with pytest.raises(LmbenchError, match="there is no training text to start from; use code=alone"):
        estimated(f"{name}(code=primed)", b"")


def test_a_block_sorter_cannot_be_primed() -> None:
    with pytest.raises(UsageError, match="code must be one of alone, online"):
        estimators.make("bz2(code=primed)")


def test_brotli_is_what_brotli_writes() -> None:
    brotli = pytest.importorskip("brotli", reason="brotli is not installed: pip install lmbench[codec]")
    found = estimated("brotli")
    assert found.bits_per_byte == pytest.approx(8 * len(brotli.compress(TEST, quality=11, lgwin=24)) / len(TEST))
