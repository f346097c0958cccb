"""`lmbench play` on the screen, by prompt_toolkit, which gives the terminal back as it was however the program ends."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.formatted_text.utils import fragment_list_width
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style
from rich.cells import cell_len

from lmbench import terminal
from lmbench.cli._predicted import bar, basis, padded, percent, token_sign
from lmbench.codec.content import ids_of_bytes
from lmbench.errors import LmbenchError
from lmbench.generation.prediction import Prediction, predicted, prompt_ids
from lmbench.generation.sample import draw
from lmbench.model.base import Model
from lmbench.report.format import cut_at_end
from lmbench.tokenizer.base import Tokenizer

WRITTEN = 40  # tokens that a model draws at once
ENDED = "the document ends here"
_MOST = 60  # candidates that are listed
_TOKEN = 24  # columns of one
_KEYS = "Tab take  ↑↓ mark  ^N ^P model  ^G write  ^C leave"
_STYLE = Style.from_dict(
    {"head": "bold", "mark": "reverse", "bar": "ansicyan", "dim": "ansibrightblack", "rule": "ansibrightblack"}
)


@dataclass(frozen=True)
class Answer:
    """What the model `name` expects after `text`; `error`: why it cannot say."""

    name: str
    text: str
    prediction: Prediction | None
    error: str = ""


class Game:
    """A text, and models that are asked what follows it; no screen. `load` opens a model by its name."""

    def __init__(
        self, tokenizer: Tokenizer, names: list[str], load: Callable[[str], Model], text: str = "", seed: int = 0
    ) -> None:
        self.tokenizer = tokenizer
        self.vocabulary = tokenizer.vocabulary
        self.names = names
        self.text = text
        self.at = 0
        self._load = load
        self._models: dict[str, Model] = {}
        self._generator = np.random.default_rng(seed)
        self._lock = threading.Lock()  # the screen asks from a thread beside its own

    @property
    def name(self) -> str:
        return self.names[self.at % len(self.names)]

    def ask(self, name: str, text: str) -> Answer:
        """What the model `name` expects after `text`."""
        with self._lock:
            try:
                model = self._models.get(name) or self._models.setdefault(name, self._load(name))
                ids = self._ids(text)
                return Answer(name, text, predicted(model, ids, self.vocabulary.end_of_text))
            except LmbenchError as error:
                return Answer(name, text, None, str(error))

    def _ids(self, text: str) -> Any:
        """Bytes that are no character yet stand in a text as half a pair of surrogates (PEP 383)."""
        if text.isascii() or all(not 0xDC80 <= ord(character) <= 0xDCFF for character in text):
            return prompt_ids(self.tokenizer, text)
        return ids_of_bytes(text.encode("utf-8", "surrogateescape"), self.tokenizer)

    def after(self, text: str, token: int) -> str | None:
        """`text` and `token`; None where a document ends, and it is no line."""
        vocabulary = self.vocabulary
        content = vocabulary.tokens[token]
        if token == vocabulary.end_of_text and not content:
            return None
        if not vocabulary.lossless and token != vocabulary.end_of_text and text and not text[-1].isspace():
            content = b" " + content
        joined = text.encode("utf-8", "surrogateescape") + content
        return joined.decode("utf-8", "surrogateescape")

    def drawn(self, answer: Answer) -> int:
        """A token by the probabilities of an answer."""
        assert answer.prediction is not None
        return draw(answer.prediction.log_probs, self._generator)


class Visible(Processor):
    """Shows what a terminal would obey, or could not show, as signs; the text stays what it is."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments: StyleAndTextTuples = []
        starts = []
        size = 0
        for style, character, *_ in explode_text_fragments(transformation_input.fragments):
            starts.append(size)
            sign = terminal.plain(terminal.visible(character), terminal.encoding())
            fragments.append((style, sign))
            size += len(sign)
        starts.append(size)

        def to_display(place: int) -> int:
            return starts[place] if place < len(starts) else size + place - len(starts) + 1

        def to_source(place: int) -> int:
            return max(0, int(np.searchsorted(starts, place, "right")) - 1)

        return Transformation(fragments, source_to_display=to_display, display_to_source=to_source)


class Screen:
    """The application: a text to type in, and under it what is expected next."""

    def __init__(self, game: Game, title: str, stdin: Input | None = None, stdout: Output | None = None) -> None:
        self.game = game
        self.title = title
        self.answer = Answer(game.name, "", None, "")
        self.marked = 0
        self.said = ""
        self._writing = 0
        self._changed = asyncio.Event()
        self._workers = ThreadPoolExecutor(1)
        self.buffer = Buffer(multiline=True, document=Document(game.text), on_text_changed=lambda _: self._ask())
        self.buffer.on_cursor_position_changed += lambda _: self._ask()
        rule = Window(height=1, char="─", style="class:rule")
        text = Window(
            BufferControl(self.buffer, input_processors=[Visible()]), wrap_lines=True,
            height=Dimension(min=1, preferred=6, weight=1),
        )  # fmt: skip
        self.list = Window(FormattedTextControl(self._candidates), height=Dimension(min=1, preferred=16, weight=2))
        parts = [Window(FormattedTextControl(self._head), height=2), rule, text, rule, self.list]
        status = Window(FormattedTextControl(self._status), height=1, style="class:dim")
        self.app: Application[None] = Application(
            Layout(HSplit([*parts, status]), focused_element=text), key_bindings=self._keys(), style=_STYLE,
            full_screen=True, mouse_support=False, input=stdin, output=stdout,
        )  # fmt: skip
        self.app.key_processor.before_key_press += lambda _: self._stop_writing()

    @property
    def text(self) -> str:
        """What the model is asked about: up to the cursor."""
        return self.buffer.document.text_before_cursor

    @property
    def columns(self) -> int:
        return self.app.output.get_size().columns

    def _ask(self) -> None:
        self.marked = 0
        self._changed.set()

    async def watch(self) -> None:
        """Ask whenever the text or the model is another one, beside the screen, which goes on taking keys."""
        loop = asyncio.get_running_loop()
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                name, text = self.game.name, self.text
                if not self._is_of(name, text):
                    self.answer = await loop.run_in_executor(self._workers, self.game.ask, name, text)
                if self._writing and self._is_of(self.game.name, self.text):
                    self._write_one()
                self.app.invalidate()
        except Exception as error:  # whatever it is, the terminal comes back first
            self.app.exit(exception=error)

    def _is_of(self, name: str, text: str) -> bool:
        known = self.answer.prediction is not None or bool(self.answer.error)
        return known and (self.answer.name, self.answer.text) == (name, text)

    def _settled(self) -> Answer:
        """The answer for what stands there now, waited for."""
        if not self._is_of(self.game.name, self.text):
            self.answer = self.game.ask(self.game.name, self.text)
        return self.answer

    def _put(self, token: int) -> None:
        found = self.game.after(self.text, token)
        if found is None:
            self.said, self._writing = ENDED, 0
            return
        self.buffer.document = Document(found + self.buffer.document.text_after_cursor, len(found))

    def take(self) -> None:
        """The marked token comes into the text."""
        answer = self._settled()
        if answer.prediction is not None:
            ranked = answer.prediction.likeliest(self.marked + 1)
            self._put(ranked[min(self.marked, len(ranked) - 1)][0])

    def _write_one(self) -> None:
        if self.answer.prediction is None:
            self._writing = 0
            return
        self._writing -= 1
        self._put(self.game.drawn(self.answer))
        self.said = f"writing, {self._writing} more" if self._writing else self.said if self.said == ENDED else ""

    def _stop_writing(self) -> None:
        self.said, self._writing = "", 0

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def on(*names: str) -> Callable[[Callable[[], None]], None]:
            def bind(act: Callable[[], None]) -> None:
                def handler(_: KeyPressEvent) -> None:
                    act()

                for name in names:
                    keys.add(name, eager=True)(handler)

            return bind

        def mark(by: int) -> None:
            self.marked = max(0, min(self.marked + by, _MOST - 1))

        def change(by: int) -> None:
            self.game.at += by
            self._ask()

        def write() -> None:
            self._writing = WRITTEN
            self._changed.set()

        on("tab")(self.take)
        on("up")(lambda: mark(-1))
        on("down")(lambda: mark(1))
        on("c-n", "f2")(lambda: change(1))
        on("c-p")(lambda: change(-1))
        on("c-g")(write)
        on("c-c", "c-q", "<sigint>")(self.app_exit)
        on("c-z")(lambda: self.app.suspend_to_background())
        return keys

    def app_exit(self) -> None:
        if not self.app.is_done:
            self.app.exit()

    def _shown(self, text: str, columns: int | None = None) -> str:
        sign = terminal.plain(terminal.visible(text), terminal.encoding())
        return sign if columns is None else cut_at_end(sign, max(1, columns))

    def _head(self) -> StyleAndTextTuples:
        number = f"{self.game.at % len(self.game.names) + 1}/{len(self.game.names)} "
        name = self._shown(number + self.game.name, self.columns)
        if not self._is_of(self.game.name, self.text):
            return [("class:head", name), ("", "\n"), ("class:dim", "...")]
        found = self.answer.prediction
        if found is None:
            return [("class:head", name), ("", "\n"), ("", self._shown(self.answer.error, self.columns))]
        entropy = "no distribution" if found.entropy_bits is None else f"entropy {found.entropy_bits:.2f} bits"
        line = ", ".join(each for each in (entropy, basis(found.evidence)) if each)
        return [("class:head", name), ("", "\n"), ("", self._shown(line, self.columns))]

    def _candidates(self) -> StyleAndTextTuples:
        found = self.answer.prediction
        if found is None:
            return []
        info = self.list.render_info
        room = min(_MOST, info.window_height if info else 16)
        first = max(0, self.marked - room + 1)
        rows = found.likeliest(first + room)[first:]
        signs = [self._shown(token_sign(self.game.vocabulary, token)) for token, _ in rows]
        margin = max(1, min(_TOKEN, self.columns - 14, max(map(cell_len, signs), default=1)))
        largest = max(found.likeliest(1)[0][1], 1e-300)
        lines: StyleAndTextTuples = []
        stale = not self._is_of(self.game.name, self.text)  # of what stood there before, until the answer comes
        for at, (sign, (_, probability)) in enumerate(zip(signs, rows, strict=True), first):
            style = "class:dim" if stale else "class:mark" if at == self.marked else ""
            left = "> " if at == self.marked else "  "
            lines += [(style, left + padded(sign, margin)), ("", f" {percent(probability):>8} ")]
            length = max(0, self.columns - fragment_list_width(lines[-2:]) - 1)
            lines += [("class:bar", self._shown(bar(probability / largest, min(length, 60)))), ("", "\n")]
        return lines[:-1]

    def _status(self) -> StyleAndTextTuples:
        return [("", self._shown(self.said or f"{_KEYS}  {self.title}", self.columns))]

    def run(self, *beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Until it is left, `beside` going on meanwhile. Raises what went wrong, once the terminal is as it was."""

        def begun() -> None:
            loop = asyncio.get_running_loop()
            for name in ("SIGTERM", "SIGHUP"):
                if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
                    loop.add_signal_handler(getattr(signal, name), self.app_exit)
            for work in (self.watch, *beside):
                self.app.create_background_task(work())

        try:
            self.app.run(pre_run=begun)
        finally:
            self._workers.shutdown(wait=False, cancel_futures=True)


def run_app(game: Game, title: str) -> None:
    """Play until the user leaves."""
    Screen(game, title).run()
