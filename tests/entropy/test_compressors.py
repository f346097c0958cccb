"""The compressors: what they write is what is counted, and it decodes to the text."""

from __future__ import annotations

import bz2
import lzma
import zlib

import pytest
import zstandard
from entropy_texts import byte_tokens, char_tokens, nothing

from lmbench.entropy import estimators
from lmbench.entropy._symbols import text_bytes
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent

NAMES = ["zlib", "bz2", "lzma", "zstd"]
SAMPLE = b"to be, or not to be: that is the question. " * 40 + bytes(range(256))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("zlib", len(zlib.compress(SAMPLE, 9))),
        ("bz2", len(bz2.compress(SAMPLE, 9))),
        ("lzma", len(lzma.compress(SAMPLE, preset=9 | lzma.PRESET_EXTREME))),
        ("zstd", len(zstandard.ZstdCompressor(level=22).compress(SAMPLE))),
    ],
)
def test_the_whole_stream_is_counted(name: str, size: int) -> None:
    text = byte_tokens(SAMPLE)
    (found,) = estimators.make(name).estimate(nothing(text), text, Silent())
    assert found.bits_per_byte == pytest.approx(8 * size / len(SAMPLE))
    assert found.kind == "upper bound"
    assert f"{size:,} bytes" in found.note


@pytest.mark.parametrize("name", NAMES)
def test_training_text_is_not_read(name: str) -> None:
    text = byte_tokens(SAMPLE)
    estimator = estimators.make(name)
    with_training = estimator.estimate(text, text, Silent())[0]
    assert with_training.bits_per_byte == estimator.estimate(nothing(text), text, Silent())[0].bits_per_byte


@pytest.mark.parametrize("name", NAMES)
def test_bits_per_character_count_code_points(name: str) -> None:
    text = byte_tokens("三四郎".encode() * 50)
    (found,) = estimators.make(name).estimate(nothing(text), text, Silent())
    assert found.bits_per_character == pytest.approx(3 * found.bits_per_byte)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_one_line(name: str) -> None:
    text = byte_tokens(b"")
    with pytest.raises(LmbenchError, match=f"^{name}: the test text has no bytes"):
        estimators.make(name).estimate(text, text, Silent())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", [b"a", b"ab", b"a" * 1000, bytes(range(256)), b"\x00\x07\x1b" * 9])
def test_degenerate_texts_have_a_positive_length(name: str, data: bytes) -> None:
    text = byte_tokens(data)
    (found,) = estimators.make(name).estimate(nothing(text), text, Silent())
    assert found.bits_per_byte is not None
    assert found.bits_per_byte > 0


@pytest.mark.parametrize("spec", ["zlib(level=10)", "bz2(level=0)", "lzma(preset=10)", "zstd(level=23)"])
def test_levels_that_do_not_exist(spec: str) -> None:
    with pytest.raises(UsageError, match="must be between"):
        estimators.make(spec)


def test_text_bytes_of_any_vocabulary() -> None:
    assert b"".join(text_bytes(byte_tokens(b"ab\x00", b"c"))) == b"ab\x00c"
    assert b"".join(text_bytes(char_tokens("三é", "a", lines=True))) == "三é\na\n".encode()


@pytest.mark.parametrize(("name", "bits"), [("bz2", 2.356), ("lzma", 2.614), ("zstd", 2.642)])
def test_tinyshakespeare(shared_text, name: str, bits: float) -> None:
    text = byte_tokens(shared_text("tinyshakespeare.txt").encode())
    (found,) = estimators.make(name).estimate(nothing(text), text, Silent())
    assert found.bits_per_byte == pytest.approx(bits, abs=5e-4)
