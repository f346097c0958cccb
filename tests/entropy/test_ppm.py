from __future__ import annotations

import sys

import numpy as np
import pytest

from lmbench.entropy import estimators
from lmbench.entropy.base import Estimate
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Silent
from lmbench.tokens import Tokens, Vocabulary

pyppmd = pytest.importorskip("pyppmd", reason="pyppmd is not installed: pip install lmbench[codec]")

BYTES = Vocabulary((*(bytes([value]) for value in range(256)), b""), 256)


def tokens(text: bytes) -> Tokens:
    ids = np.append(np.frombuffer(text, dtype=np.uint8).astype(np.uint16), 256).astype(np.uint16)
    return Tokens(ids, np.zeros(1, dtype=np.int64), BYTES)


def words(seed: int, count: int) -> bytes:
    rng = np.random.default_rng(seed)
    made = ["".join(chr(97 + letter) for letter in np.random.default_rng(n).integers(0, 26, 6)) for n in range(300)]
    return " ".join(np.array(made)[rng.integers(0, 300, count)]).encode()


def estimated(train: bytes, test: bytes, spec: str = "ppm") -> list[Estimate]:
    found: list[Estimate] = estimators.make(spec).estimate(tokens(train), tokens(test), Silent())
    return found


def test_alone_it_is_what_the_compressor_writes() -> None:
    text = words(1, 3000)
    encoder = pyppmd.Ppmd7Encoder(6, 16 << 20)
    size = len(encoder.encode(text)) + len(encoder.flush())
    alone = estimated(b"", text)
    assert len(alone) == 1
    assert alone[0].bits_per_byte == pytest.approx(8 * size / len(text))
    decoder = pyppmd.Ppmd7Decoder(6, 16 << 20)
    whole = pyppmd.Ppmd7Encoder(6, 16 << 20)
    assert decoder.decode(whole.encode(text) + whole.flush(), len(text)) == text


def test_after_the_training_text_it_is_what_the_test_text_adds() -> None:
    train, test = words(1, 6000), words(2, 2000)
    alone, after = estimated(train, test)
    assert (alone.estimator, after.estimator) == ("ppm", "ppm after the training text")
    sizes = []
    for text in (train, train + test):
        encoder = pyppmd.Ppmd7Encoder(6, 16 << 20)
        sizes.append(len(encoder.encode(text)) + len(encoder.flush()))
    assert after.bits_per_byte == pytest.approx(8 * (sizes[1] - sizes[0]) / len(test), abs=8 * 8 / len(test))
    assert after.bits_per_byte < alone.bits_per_byte - 0.2  # the words are known by then
    assert after.kind == alone.kind == "upper bound"
    assert after.note.endswith("it goes on learning from the test text, as only adaptive models do")
    assert "learning" not in alone.note


def test_text_seen_before_costs_next_to_nothing() -> None:
    text = words(1, 2000)
    _, after = estimated(text, text, "ppm(order=32)")
    assert after.bits_per_byte < 0.1


def test_too_little_memory_is_said() -> None:
    train = words(1, 250_000)
    _, small = estimated(train, words(2, 1000), "ppm(memory=1)")
    assert "forgets everything" in small.note
    assert "forgets" not in estimated(b"", words(2, 1000))[0].note


def test_values_that_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in ("ppm(order=1)", "ppm(order=65)", "ppm(memory=0)", "ppm(memory=5000)"):
        with pytest.raises(UsageError, match="must be between"):
            estimators.make(spec)
    with pytest.raises(LmbenchError, match="no bytes"):
        estimated(b"abc", b"")
    monkeypatch.setitem(sys.modules, "pyppmd", None)
    with pytest.raises(UsageError, match=r"-m pip install"):
        estimators.make("ppm")
