"""Models of a run that write: a prompt in, texts out as they are drawn, and what their tokens cost the model itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmbench.generation.sample import draw_texts, together
from lmbench.generation.sampler import Sampler
from lmbench.generation.text import Decoder, Stop, VocabularyDecoder
from lmbench.memory import free_memory
from lmbench.model.base import Model, start
from lmbench.model.pretrained import Pretrained
from lmbench.pipeline.opened import load_model, tokenizer_of
from lmbench.record import Record, Row
from lmbench.training.stepping import Reading

Ints = NDArray[np.int64]
_SHARE = 4  # one part in so many of the free memory may be taken by texts
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, eq=False)
class Writer:
    """A model, and how its tokens become text. `size`: of its vocabulary; `begin`: what stands between the prompt and
    what is drawn; `unknown`: how many of the prompt's tokens it does not know."""

    row: Row
    model: Any
    prompt: Ints
    end_of_text: int
    size: int
    decoder: Callable[[], Decoder]
    begin: str = ""
    unknown: int = 0

    @classmethod
    def open(cls, folder: Path, record: Record, row: Row, prompt: str, device: str) -> Writer:
        """Raises LmbenchError where a file of the run is missing, damaged or another run's."""
        model: Model = load_model(folder, row, device)
        if isinstance(model, Pretrained):
            own = model.own_tokens()
            begun = own.encode(prompt)
            return cls(row, own, begun, own.end_of_text, own.size, lambda: own.decoder(begun))
        tokenizer = tokenizer_of(folder, record.card)
        vocabulary = tokenizer.vocabulary
        # where documents are lines, a line's end in the prompt ends a document
        documents = _LINE_END.split(prompt) if vocabulary.lines else [prompt]
        parts = [tokenizer.encode_text(document).astype(np.int64) for document in documents]
        joined = [np.append(part, vocabulary.end_of_text) for part in parts[:-1]]
        ids = np.concatenate([*joined, parts[-1]])
        spaced = not vocabulary.lossless
        gap = spaced and bool(len(parts[-1])) and not prompt[-1].isspace()
        unknown = 0 if vocabulary.unknown is None else int((ids == vocabulary.unknown).sum())
        return cls(
            row, model, ids, vocabulary.end_of_text, len(vocabulary),
            lambda: VocabularyDecoder(vocabulary, spaced), " " if gap else "", unknown,
        )  # fmt: skip


@dataclass(eq=False)
class Written:
    """A text as it grows: `pieces` as they came; `nats`: [n] -ln p of each of its tokens under the model that wrote it;
    `stopped`: whether a stop text ended it."""

    pieces: list[str] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    stopped: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Wish:
    """What is wanted of every model: so many `tokens` in each of `count` texts, none beyond one of `stops`."""

    tokens: int
    count: int = 1
    seed: int = 0
    stops: Sequence[str] = ()
    sampler: Sampler = field(default_factory=Sampler)


def write(writer: Writer, wish: Wish, texts: Sequence[Written], first: int = 0) -> Iterator[None]:
    """Let `texts`, numbers `first` and on of the wish, grow by a token each time, until all of them are done."""
    decoders = [writer.decoder() for _ in texts]
    stops = [Stop(wish.stops) for _ in texts]
    drawn = draw_texts(
        writer.model, writer.prompt, wish.tokens, writer.end_of_text,
        count=len(texts), first=first, seed=wish.seed, sampler=wish.sampler,
    )  # fmt: skip
    for each in drawn:
        for number, text in enumerate(texts):
            if not text.stopped:
                text.pieces.append(stops[number].add(decoders[number].add(int(each.ids[number]))))
                text.nats.append(float(each.nats[number]))
                text.stopped = stops[number].found
        yield
        if all(text.stopped for text in texts):
            return
    for text, decoder, stop in zip(texts, decoders, stops, strict=True):
        if not text.stopped:
            text.pieces.append(stop.add(decoder.close()) + stop.close())
            text.stopped = stop.found
    yield


def batches(writer: Writer, wish: Wish) -> Iterator[slice]:
    """Which texts are drawn side by side: as many as their scores, and what a net keeps of them, have room for."""
    width = min(together(writer.size), max(1, free_memory() // _SHARE // max(1, _kept(writer))))
    for begin in range(0, wish.count, width):
        yield slice(begin, min(begin + width, wish.count))


def _kept(writer: Writer) -> int:
    """Bytes that a net keeps of one text while it reads on; 0 of a model that keeps no more than its tokens."""
    state = start(writer.model, 1, writer.end_of_text)
    return sum(part.nbytes for part in state.state) if isinstance(state, Reading) else 0
