"""The contract that every model keeps; `tests/model/test_contract.py` holds each of them to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lmbench import files
from lmbench.progress import Progress
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens


@dataclass
class ModelCard:
    """What a row of the table says of a model besides its score.

    `parameters`: trained numbers (nets); `stored_ngrams`: entries of its tables (counts).
    `context`: the most tokens of history it can use, None where there is no limit.
    `adaptive`: whether it learns from the text it is scored on; `remembers`: whether from the documents before a
    token's own, too, in the order of that text.
    `distribution`: False for a score that does not sum to one (stupid back-off), which
    is shown but never as a cross-entropy; `smoothed`: False where unseen events get
    probability zero and log-probabilities may be -inf.
    `control`: trained on a text that was destroyed on purpose, to see what a model learns
    of it by heart: shown, never ranked or compared.
    `own_tokens`: it predicts the same bytes by tokens of its own. `log_probs` are then what
    these cost, each where its last byte lies: sums over documents are exact, single figures
    are not of our tokens, and `next_log_probs` raises UsageError.
    `training`: what fitting cost and which settings it arrived at; JSON values only.
    `notes`: sentences the report prints under the table.
    """

    parameters: int | None = None
    stored_ngrams: int | None = None
    context: int | None = None
    adaptive: bool = False
    remembers: bool = False
    distribution: bool = True
    smoothed: bool = True
    control: bool = False
    own_tokens: bool = False
    dtype: str = "float64"
    stride: int | None = None
    training: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ModelCard:
        """Read what `save` wrote. Raises LmbenchError naming the file where it is not whole."""
        with files.whole(path, "model card"):
            content = files.read_json(path, finite=False)  # of a net that diverged the losses are no numbers
            kinds = {each.name: str(each.type) for each in fields(cls)}
            for name, value in content.items():
                files.field(content, name, _KINDS[kinds[name]])
                if isinstance(value, int) and not 0 <= value < 1 << 53:
                    raise ValueError(f"{name} is no number of things")
            if not all(isinstance(note, str) for note in content.get("notes", [])):
                raise ValueError("a note is no text")
            return cls(**content)


_KINDS: dict[str, tuple[type[Any], ...]] = {
    "int | None": (int, type(None)),
    "bool": (bool,),
    "str": (str,),
    "dict[str, Any]": (dict,),
    "list[str]": (list,),
}


class Model(Protocol):
    """A language model: a distribution over the next token, given everything before it in its document.

    1. `logsumexp(next_log_probs(c)) == 0` to 1e-9 (float64 counts) or 1e-5 (float32 nets),
       for contexts seen, unseen, empty, and longer than the model can use.
    2. `log_probs` and `next_log_probs` agree at every position (`next_log_probs` of this module, told the text before
       the document, where the model remembers that).
    3. Changing the future leaves the past's log-probabilities as they were, over the whole text.
    4. Same seed, same machine: same numbers; saved and loaded: the same numbers.
    5. Never NaN, never -inf unless `card.smoothed` is False.

    Of a model with `card.own_tokens` there is no `next_log_probs`, and 3 holds of whole documents.
    """

    card: ModelCard

    def fit(self, train: Tokens, valid: Tokens, progress: Progress) -> Self:
        """Learn from `train`, choosing settings on `valid` alone.

        Raises LmbenchError where the data cannot carry the model.
        """

    def log_probs(self, tokens: Tokens, progress: Progress) -> NDArray[np.float64]:
        """[n] nats: ln p(ids[i] | everything before it in its document), or in `tokens` where `card.remembers`."""

    def next_log_probs(self, context: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[V] nats, given the ids of a document so far; an empty context is a document's beginning.

        Of a model that remembers earlier documents: as in the first document of a text.
        """

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON, never pickle, into an existing folder."""

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Read what `save` wrote. Raises LmbenchError naming the file where it is not whole."""


Context = NDArray[np.integer[Any]]


@runtime_checkable
class Remembering(Protocol):
    """A model that can be told the documents which come before, in the order of the text, and may have learnt of them.

    Whether it does, `card.remembers` says.
    """

    def next_log_probs_after(self, history: Context, context: Context) -> NDArray[np.float64]:
        """[V] nats, given the ids of whole documents, each with its end, and those of the present one so far."""


def next_log_probs(model: Model, history: Context, context: Context) -> NDArray[np.float64]:
    """[V] nats, at a place of a text: `history` are the ids of the documents before, each with its end, and `context`
    those of the present one so far. A model that does not remember is asked about the document alone."""
    if isinstance(model, Remembering):
        return model.next_log_probs_after(history, context)
    return model.next_log_probs(context)


@runtime_checkable
class Stretched(Protocol):
    """A model that reads a stretch of text at once and then knows what it predicted at every place of it."""

    def stretches(self, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
        """[m, V] nats, one array after the other: what was predicted at each of the tokens, from the first on."""


def distributions(model: Model, tokens: Tokens) -> Iterator[NDArray[np.float64]]:
    """[m, V] nats, one array after the other: what the model predicts at each of `tokens`, which begin a text; by
    `Stretched` where the model has it, and else one token at a time."""
    if isinstance(model, Stretched):
        yield from model.stretches(tokens)
        return
    for start, end in zip(tokens.documents.tolist(), tokens.ends.tolist(), strict=True):
        for place in range(start, end):
            yield next_log_probs(model, tokens.ids[:start], tokens.ids[start:place])[None]


@runtime_checkable
class Windowed(Protocol):
    """A model that can be asked what follows many short pieces of text at once.

    A window that holds the end-of-text id is read from the last one on, which a document begins with, so that
    documents of several lengths may stand together, filled up in front with that id. A window without one is out of the
    middle of a document, whatever stood before it; to a cache nothing did.
    """

    def window_log_probs(self, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """[q, V] nats, given the q windows [q, N], N >= 1. Of `[end, *context]` they are `next_log_probs(context)`, for
        a net as far as its context reaches.

        Worked example, end 9: the windows [9, 9, 4] and [2, 3, 4] ask what follows a document that begins with 4, and
        what follows 2 3 4 somewhere.
        """


def window_log_probs(model: Model, windows: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """[q, V] nats: what follows each window [q, N], by `Windowed` where the model has it.

    Any other model is asked one window at a time, as if a document began with it. That is no difference to one
    whose context is no longer than the window.
    """
    if isinstance(model, Windowed):
        return model.window_log_probs(windows)
    return np.stack([model.next_log_probs(window) for window in windows])


def from_document(windows: NDArray[np.integer[Any]], end_of_text: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Of each window [q, N]: [q] how many tokens of its document it holds, and whether the document begins in it.

    [9, 9, 4], [9, 2, 9] and [2, 3, 4] with end 9: 1, 0, 3; true, true, false. Of no tokens: 0; false.
    """
    ends = np.flatnonzero(windows == end_of_text)
    last = np.full(len(windows), -1, dtype=np.int64)
    width = max(1, windows.shape[1])
    np.maximum.at(last, ends // width, ends % width)
    return windows.shape[1] - 1 - last, last >= 0


def in_step(streams: Sequence[Iterator[NDArray[np.float64]]]) -> Iterator[list[NDArray[np.float64]]]:
    """What several `distributions` of one text say of the same places: pieces of equal length, cut where any ends."""
    held = [np.zeros((0, 0)) for _ in streams]
    while True:
        for index, stream in enumerate(streams):
            while not len(held[index]):
                following = next(stream, None)
                if following is None:
                    return
                held[index] = following
        size = min(map(len, held))
        yield [piece[:size] for piece in held]
        held = [piece[size:] for piece in held]


@runtime_checkable
class Piecewise(Protocol):
    """A model that can be asked about pieces of text, each by itself, whatever stood before it."""

    def piece_log_probs(self, pieces: Sequence[Context]) -> list[NDArray[np.float64]]:
        """Of each piece, [k] ids, [k - 1] nats: ln p of all but the first, given what stands before it in the piece.

        Raises UsageError where a piece has more ids than the model reads at once.
        """


@runtime_checkable
class Rereading(Protocol):
    """A model with tokens of its own, `card.own_tokens`."""

    def reread(self, tokens: Tokens) -> Tokens:
        """The same text in its own tokens."""


def distributions_at(model: Model, tokens: Tokens, places: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """[V] nats, one after the other: what the model predicts at each of `places` in `tokens`, which begin a text."""
    reach = bounded_context(model)
    if reach is None:
        for place in places.tolist():
            start = int(tokens.documents[np.searchsorted(tokens.documents, place, side="right") - 1])
            yield next_log_probs(model, tokens.ids[:start], tokens.ids[start:place])
        return
    text = np.append(np.full(reach, tokens.vocabulary.end_of_text), tokens.ids)  # [i, i + reach) stand before the id i
    width = max(1, STRETCH // len(tokens.vocabulary))
    for begin in range(0, len(places), width):
        windows = text[places[begin : begin + width, None] + np.arange(reach)]
        yield from window_log_probs(model, windows)


def bounded_context(model: Model) -> int | None:
    """Tokens, one at least, that decide what a `Windowed` model predicts, wherever they stand; None for a net, whose
    window has a place in the document, and where there is no limit."""
    context, card = model.card.context, model.card
    if context is None or card.stride is not None or card.adaptive or not isinstance(model, Windowed):
        return None
    return max(1, context)


@runtime_checkable
class Knowing(Protocol):
    """A model that can say how much it knows of a context, before the token after it is known."""

    @property
    def feature_reach(self) -> int:
        """How many of the last tokens of the context decide, at most."""

    def context_features(self, ids: Context) -> NDArray[np.float64]:
        """[n + 1, f] before each of `ids`, documents with their ends, and after the last."""


@dataclass(frozen=True)
class Evidence:
    """What a model of counts goes by: the `length` of the longest context that it has stored, in tokens, of which the
    beginning of a document counts as one; how often that occurred with something after it (`count`), and how many
    distinct tokens came after it (`types`). None for what it has not kept."""

    length: int
    count: int | None
    types: int | None


@runtime_checkable
class Evident(Protocol):
    """A model that can say what its prediction rests on."""

    def evidence(self, context: Context) -> Evidence | None:
        """After the ids of a document so far; None where nothing of it is counts."""


def evidence(model: Model, context: Context) -> Evidence | None:
    """What `model` goes by after `context`, where it can say so."""
    return model.evidence(context) if isinstance(model, Evident) else None


Scores = Any  # [q, V] float64 nats: an array, or a tensor on the device of the model


@runtime_checkable
class Stepping(Protocol):
    """A model that reads texts on, many side by side, without reading again what it has read.

    The first id that each text reads is the end-of-text id, with which a document begins; so does another one further
    on. What is predicted is `next_log_probs` of this module at each place, a net's to 1e-5.
    """

    def start(self, rows: int, end_of_text: int) -> Any:
        """The state of so many texts, of which nothing has been read."""

    def step(self, ids: NDArray[np.int64], state: Any) -> tuple[Scores, Any]:
        """([q, V] what follows once each text has read its `ids` [q, T], T >= 1, too; the state then). `state` is used
        up."""


def start(model: Model, rows: int, end_of_text: int) -> Any:
    """What `step` begins with: the state of `rows` texts, of which nothing has been read."""
    if isinstance(model, Stepping):
        return model.start(rows, end_of_text)
    context = bounded_context(model)
    if context is not None:
        return _Windows(np.full((rows, context), end_of_text, dtype=np.int64))
    return [_Text(end_of_text) for _ in range(rows)]


def step(model: Model, ids: NDArray[np.integer[Any]], state: Any) -> tuple[NDArray[np.float64], Any]:
    """([q, V] nats of what follows, the state then), once each of q texts has read its row of `ids` [q, T], T >= 1.

    `state` is that of `start` or of the step before, and is used up. The first id of a text is the end-of-text id, with
    which a document begins, and each further one begins another. By `Stepping` where the model has it; a model of a
    bounded context by `Windowed`; any other is asked about the whole text each time.

    Worked example, end 9: `step(model, [[9, 4]], start(model, 1, 9))` predicts what follows a document that begins
    with 4; `step(model, [[2]], state)`, then, what follows 4 2.
    """
    scores, state = step_on_device(model, ids, state)
    found: NDArray[np.float64] = scores if isinstance(scores, np.ndarray) else scores.cpu().numpy()
    return found, state


def step_on_device(model: Model, ids: NDArray[np.integer[Any]], state: Any) -> tuple[Scores, Any]:
    """`step`, with the scores where the model has them: a tensor on its device, or an array."""
    read: NDArray[np.int64] = np.asarray(ids).astype(np.int64)
    if isinstance(model, Stepping):
        return model.step(read, state)
    if isinstance(state, _Windows):
        reach = state.ids.shape[1]
        windows = np.concatenate([state.ids, read], axis=1)[:, -reach:]
        return window_log_probs(model, windows), _Windows(windows)
    for text, row in zip(state, read, strict=True):
        text.read(row)
    return np.stack([next_log_probs(model, text.history, text.context) for text in state]), state


@dataclass(frozen=True, eq=False)
class _Windows:
    """`ids`: [q, N] the last tokens of each text, as many as the model looks back on."""

    ids: NDArray[np.int64]


class _Text:
    """A text that is read again at each step: `history` and `context` as `next_log_probs` has them."""

    def __init__(self, end_of_text: int) -> None:
        self._end = end_of_text
        self._begun = False
        self.history = self.context = np.zeros(0, dtype=np.int64)

    def read(self, ids: NDArray[np.int64]) -> None:
        for part in np.split(ids, np.flatnonzero(ids == self._end)):
            if len(part) and part[0] == self._end:
                if self._begun:
                    self.history = np.concatenate([self.history, self.context, part[:1]])
                self._begun, self.context, part = True, self.context[:0], part[1:]
            self.context = np.concatenate([self.context, part])


STRETCH = 1 << 22  # numbers of the distributions that are handed out together


@runtime_checkable
class Refittable(Protocol):
    """A model that can keep its chosen settings and count anew on more text (train + valid)."""

    def refit(self, train: Tokens, progress: Progress) -> None: ...


class Fits(Protocol):
    """The models that a run has fitted, each once, whichever row or model inside a row asks for it first."""

    def fit(self, spec: Spec, runtime: Runtime, train: Tokens, valid: Tokens, progress: Progress) -> Model:
        """The model of `spec`, fitted on `train`: found, or fitted now; the caller's own to change."""

    def refit(self, model: Model, spec: Spec, runtime: Runtime, train: Tokens, progress: Progress) -> Model:
        """That model on `train`, which holds the validation text too: with the settings that `model` chose where it
        is `Refittable`, else fitted from the beginning. `model` is used up."""

    def kept(self, model: Model) -> Path | None:
        """The folder with what `model` saves, where it is as it was found or fitted here."""
