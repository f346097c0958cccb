"""A back-off model to an ARPA file."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from lmbench.counts.arpa.lines import LOG_ZERO
from lmbench.counts.arpa.names import BEGIN, END, UNKNOWN, names, spelling_for
from lmbench.counts.backoff import BackoffModel
from lmbench.counts.parallel import coarse_threads
from lmbench.counts.trie import Trie
from lmbench.errors import LmbenchError, UsageError
from lmbench.progress import Progress, Silent, Task
from lmbench.tokens import Vocabulary

_CHUNK = 1 << 17  # n-grams formatted together
_GZIP_LEVEL = 3  # a tenth larger than at 6, and written more than twice as fast
_XZ_PRESET = 1


def write_arpa(model: BackoffModel, vocabulary: Vocabulary, out: IO[bytes], progress: Progress | None = None) -> None:
    r"""Write `model` to the open file `out`, n-gram by n-gram; nothing but one chunk of text is held.

    log10 values in the fewest digits that give the same float32. Where the vocabulary has no
    unknown token, `<unk>` is written with probability zero, since KenLM wants one. How tokens
    are spelled, and the comment that says so: `names`. Raises LmbenchError where the model is
    not of the ARPA form: a score with a weight for contexts it has not seen (stupid back-off).
    """
    if model.unseen_log_backoff != 0:
        raise LmbenchError(
            "this score is no distribution: it weighs down contexts that were never seen, which an ARPA file cannot say"
        )
    if len(vocabulary) != model.trie.vocabulary_size:
        raise ValueError(f"a vocabulary of {len(vocabulary)} for a model of {model.trie.vocabulary_size}")
    sizes = [model.trie.size(order) for order in range(1, model.order + 1)]
    while sizes[-1] == 0:  # an order that pruning has emptied
        sizes.pop()
    trie = Trie(model.trie.tokens, [column[:] for column in model.trie.first])  # unpacked once
    model = replace(model, trie=trie)
    spelling = spelling_for(vocabulary)
    extra = 1 if vocabulary.unknown is not None else 2  # <s>, and <unk> where there is none
    counts = [sizes[0] + extra, *sizes[1:]]
    lines = [f"# tokens: {spelling}", "\\data\\", *(f"ngram {k}={count}" for k, count in enumerate(counts, 1)), ""]
    out.write("\n".join(lines).encode())
    words = _Words(vocabulary, names(vocabulary, spelling))
    with coarse_threads(), (progress or Silent()).task("writing n-grams", sum(sizes)) as task:
        _write_words(model, words, out, len(sizes))
        task.advance(sizes[0])
        for order in range(2, len(sizes) + 1):
            out.write(f"\n\\{order}-grams:\n".encode())
            _write_order(model, order, words, out, order < len(sizes), task)
    out.write(b"\n\\end\\\n")


class _Words:
    """The words of a vocabulary as Arrow strings: as the first of an n-gram, as any other, and what stands for none."""

    def __init__(self, vocabulary: Vocabulary, spelled: list[str | None]) -> None:
        import pyarrow as pa

        self.unknown = vocabulary.unknown
        self.end = vocabulary.end_of_text
        if vocabulary.unknown is not None:
            spelled[vocabulary.unknown] = UNKNOWN
        spelled[self.end] = BEGIN
        self.first = pa.array(spelled, pa.string())
        spelled[self.end] = END
        self.later = pa.array(spelled, pa.string())

    def join(self, ids: NDArray[np.int32]) -> Any:
        """[m] Arrow strings of the n-grams `ids` [k, m], words separated by spaces."""
        import pyarrow.compute as pc

        texts = [words.take(row) for words, row in zip([self.first, *[self.later] * (len(ids) - 1)], ids, strict=True)]
        return pc.binary_join_element_wise(*texts, " ")


def _write_words(model: BackoffModel, words: _Words, out: IO[bytes], orders: int) -> None:
    """The 1-grams: `<s>` first, before it `<unk>` where the vocabulary has no unknown token."""
    import pyarrow as pa

    out.write(b"\n\\1-grams:\n")
    log_probs = _log10(model.log_probs[0][:])
    backed_off = orders > 1
    log_backoffs = _log10(model.log_backoffs[0][:]) if backed_off else np.zeros_like(log_probs)
    begin = log_backoffs[words.end]
    log_backoffs[words.end] = 0.0  # </s> is no context
    marks = [(BEGIN, begin)] if words.unknown is not None else [(UNKNOWN, np.float32(0)), (BEGIN, begin)]
    for mark, weight in marks:
        _put(np.full(1, LOG_ZERO, np.float32), pa.array([mark]), np.full(1, weight) if backed_off else None, out)
    _put(log_probs, words.later, log_backoffs if backed_off else None, out)


def _write_order(model: BackoffModel, order: int, words: _Words, out: IO[bytes], backed_off: bool, task: Task) -> None:
    log_probs = model.log_probs[order - 1]
    for start in range(0, len(log_probs), _CHUNK):
        part = slice(start, min(start + _CHUNK, len(log_probs)))
        texts = words.join(model.trie.columns(order, part).cpu().numpy())
        log_backoffs = _log10(model.log_backoffs[order - 1][part]) if backed_off else None
        _put(_log10(log_probs[part]), texts, log_backoffs, out)
        task.advance(part.stop - part.start)


def _log10(nats: torch.Tensor) -> NDArray[np.float32]:
    """float32 log10, log zero as -99; +0 rather than -0."""
    values = nats.double().cpu().numpy() / np.log(10)
    found: NDArray[np.float32] = np.maximum(values, LOG_ZERO).astype(np.float32) + np.float32(0)
    return found


def _put(log_probs: NDArray[np.float32], words: Any, log_backoffs: NDArray[np.float32] | None, out: IO[bytes]) -> None:
    """Write lines, which Arrow makes as one array of strings: what lies in memory is what goes into the file."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = [np.minimum(log_probs, 0), *([log_backoffs] if log_backoffs is not None else [])]
    first, *last = (pc.cast(pa.array(values), pa.string()) for values in numbers)
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(first, words, *last, "\t"), "", "\n")
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)
    out.write(memoryview(lines.buffers()[2])[: int(offsets[len(lines)])])


@contextmanager
def compressed(out: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    """What to write to so that `out` gets what the suffix of `path` promises: .gz, .xz, .bz2, .zst or plain bytes.

    `out` is left open, with the compressed stream finished where the block ends well. Raises UsageError for .zip.
    """
    suffix = path.suffix.lower()
    if suffix == ".zip":
        raise UsageError(f"{path}: can be written plain or as .gz, .xz, .bz2, .zst, but not as .zip")
    if suffix not in _COMPRESSORS:
        yield out
        return
    with _COMPRESSORS[suffix](out) as stream:
        yield stream


def _gzip(out: IO[bytes]) -> IO[bytes]:
    # no name and no time in the header: the same model gives the same file
    return cast(IO[bytes], gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=_GZIP_LEVEL, mtime=0))


def _xz(out: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], lzma.LZMAFile(out, "wb", preset=_XZ_PRESET))


def _bz2(out: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], bz2.BZ2File(out, "wb"))


def _zstd(out: IO[bytes]) -> IO[bytes]:
    import zstandard

    return cast(IO[bytes], zstandard.ZstdCompressor(level=3).stream_writer(out, closefd=False))


_COMPRESSORS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": _gzip,
    ".xz": _xz,
    ".bz2": _bz2,
    ".zst": _zstd,
}
