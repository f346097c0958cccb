"""The one place that writes on standard output and standard error.

Text that came from outside (a corpus, a model, a record, the name of a file) is data: a terminal shows it in a visible
form and never obeys it, and no character of it is one that a stream cannot take.

- `visible`: control and format characters as signs, everything else as it is.
- `plain`: in place of what an encoding lacks, signs of ASCII or `\\u4e09`.
- `say`: one line in both forms, wherever it goes. `show`: lines that are laid out already.
- `data`, `write_json`, `write_bytes`: what another program reads. Exact in a file and in a pipe, visible on a terminal.
"""

from __future__ import annotations

import codecs
import os
import re
import sys
import unicodedata
from typing import TextIO

SIGNS = {
    "–": "-", "—": "-", "―": "-", "−": "-", "‐": "-", "‑": "-", "─": "-", "━": "-", "│": "|", "┃": "|",
    "…": "...", "±": "+-", "∞": "inf", "×": "x", "·": "*", "•": "*", "²": "^2", "≤": "<=", "≥": ">=", "≈": "~",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "→": "->", "\u00a0": " ",
    "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#", "▍": "-", "▎": "-", "▏": "-", "├": "+", "└": "+",
    "▂": ".", "▃": ".", "▄": "o", "▅": "o", "▆": "O", "▇": "O",
    "␣": "\\s", "↵": "\\n", "⇥": "\\t", "▁": "_", "⬚": "\\u3000", "⍽": "\\xa0", "�": "?",
}  # fmt: skip
_ERRORS = "lmbench.plain"  # the name of `_instead` among Python's handlers of what cannot be encoded

# Format characters (category Cf) of ordinary writing: joiners of Indic scripts, of Persian and of emoji, marks of
# numbers and verses that are seen themselves, and what lays out Mongolian and Egyptian.
_ORDINARY = {0x200C, 0x200D, 0x06DD, 0x070F, 0x08E2, 0x110BD, 0x110CD, 0x180E, 0x0890, 0x0891}
_ORDINARY |= {*range(0x0600, 0x0606), *range(0x13430, 0x13440)}
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"  # a flag of a region, such as Wales: an emoji and letters unseen
_LAYOUT = "\n\t"


_SUSPECT = re.compile(f"({_FLAG})|[^ -~]")


def _unseen(character: str) -> bool:
    """Whether a terminal obeys it, or it changes how others are shown."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(character) not in _ORDINARY


def visible(text: str, keep: str = "") -> str:
    r"""`text` with everything that a terminal would obey, or show otherwise than it stands, as signs.

    Control characters of ASCII in caret form, those from U+0080 on and bytes that are no text as `\x9b`, and format
    characters such as those that turn the direction of writing as `<U+202E>`. Ordinary text of every script stays as it
    is, with its combining marks and the joiners of its emoji. `keep`: characters to leave alone, such as a line's end.

    >>> visible("a\x1b[1mb\x07\x7f\x9b\u202ec\n")
    'a^[[1mb^G^?\\x9b<U+202E>c^J'
    """

    def sign(found: re.Match[str]) -> str:
        character = found.group()
        if found.group(1) or character in keep or not _unseen(character):
            return character
        code = ord(character)
        if code < 0x80:
            return "^" + chr(code ^ 0x40)
        if code < 0xA0:
            return f"\\x{code:02x}"
        if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name that is no UTF-8
            return f"\\x{code - 0xDC00:02x}"
        return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else f"<U+{code:04X}>"

    return text if text.isprintable() else _SUSPECT.sub(sign, text)


def plain(text: str, encoding: str | None) -> str:
    r"""`text` with a sign in place of each character that `encoding` lacks, and `\u4e09` where there is no sign.

    >>> plain("1.5 ± 0.1 … 三", "ascii")
    '1.5 +- 0.1 ... \\u4e09'
    """
    try:
        return text.encode(encoding or "utf-8", _ERRORS).decode(encoding or "utf-8")
    except (LookupError, UnicodeDecodeError):  # an encoding that Python does not know, or cannot turn back
        return text


def _instead(error: UnicodeError) -> tuple[str, int]:
    """Python's handler for `errors=`: SIGNS, and an escape for all else."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(SIGNS.get(each) or each.encode("ascii", "backslashreplace").decode() for each in lacking), error.end


codecs.register_error(_ERRORS, _instead)


def shown(text: str, stream: TextIO | None = None, keep: str = "") -> str:
    """`text` as `stream`, standard output where it is None, can show it: visible, and in characters that it has."""
    return plain(visible(text, keep), getattr(stream or sys.stdout, "encoding", None))


def prepare() -> None:
    """From now on the streams of this process take every character, whoever writes on them."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS)
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")


def say(line: str = "", *, err: bool = False, stream: TextIO | None = None) -> None:
    """One line on standard output, standard error or `stream`; a line's end within it is shown as a sign too."""
    stream = stream or (sys.stderr if err else sys.stdout)
    stream.write(shown(line, stream) + "\n")
    stream.flush()


def say_lines(text: str, *, err: bool = False) -> None:
    """Several lines, such as a traceback, on standard output or standard error."""
    show(shown(text, sys.stderr if err else sys.stdout, _LAYOUT) + "\n", err=err)


def show(text: str, *, err: bool = False) -> None:
    """Lines that have been laid out by `shown`, as they are."""
    stream = sys.stderr if err else sys.stdout
    stream.write(text)
    stream.flush()


def data(text: str) -> None:
    """A piece of text that is the result itself: exact and in UTF-8 in a file or a pipe, visible on a terminal."""
    if sys.stdout.isatty():
        show(shown(text, sys.stdout, _LAYOUT))
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    show(text)


def write_bytes(content: bytes) -> None:
    """A file that is no text, on standard output, which is no terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(text: str) -> None:
    r"""A JSON document: in a file or a pipe as it is; on a terminal, or where the stream is not UTF-8, with `\u202e`
    for what would be obeyed or is lacking, which says the same."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    if encoding not in ("utf-8", "utf8"):
        text = re.sub(r"[^\x00-\x7e]", _escape, text)
    elif sys.stdout.isatty():
        text = re.sub("[^\r\n\t -~]", lambda found: _escape(found) if _unseen(found[0]) else found[0], text)
    show(text if text.endswith("\n") else text + "\n")


def _escape(found: re.Match[str]) -> str:
    """A character as JSON escapes it, those beyond U+FFFF as two surrogates."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def notes() -> TextIO:
    """Standard error, where progress is drawn."""
    return sys.stderr


def ask(prompt: str) -> None:
    """A prompt on standard output; what is typed stands after it."""
    show(shown(prompt, sys.stdout))


def encoding() -> str:
    """That of standard output."""
    return sys.stdout.encoding


def is_terminal() -> bool:
    """Whether standard output is one."""
    return sys.stdout.isatty()


def clear() -> None:
    """Wipe the terminal, and go on at its top."""
    show("\x1b[H\x1b[J")


def abandon() -> None:
    """Let nothing more be written on standard output, whose reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
