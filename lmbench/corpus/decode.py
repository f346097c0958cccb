"""Bytes from outside to valid UTF-8, as a stream, with the exact place where that fails."""

from __future__ import annotations

import codecs
import difflib
import encodings.aliases
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from lmbench.errors import LmbenchError, UsageError

BLOCK = 1 << 20
UTF8_BOM = codecs.BOM_UTF8
_GUESSES = ("shift_jis", "cp932", "euc_jp", "gb18030", "cp1252")
Errors = Literal["strict", "replace", "ignore"]


@dataclass(frozen=True)
class Reading:
    """How bytes become text. `encoding` None: UTF-8, and a NUL byte means that the file is not text.

    `text_field`: where records hold their text. `joined`: records are successive pieces of one
    text, not documents.
    """

    encoding: str | None = None
    errors: Errors = "strict"
    text_field: str = "text"
    joined: bool = False

    def __post_init__(self) -> None:
        if self.errors not in ("strict", "replace", "ignore"):
            raise UsageError(f"errors must be strict, replace or ignore, not {self.errors!r}")
        if self.encoding is not None:
            _check_encoding(self.encoding)

    @property
    def codec(self) -> str:
        """The codec's own name: "utf-8" for "utf8", "UTF_8" and for None."""
        return codecs.lookup(self.encoding or "utf-8").name

    @property
    def exact(self) -> bool:
        """Whether the bytes are taken as they are: valid UTF-8, or an error."""
        return self.codec == "utf-8" and self.errors == "strict"


def utf8(stream: BinaryIO, name: str, reading: Reading, reopen: Callable[[], BinaryIO] | None) -> Iterator[bytes]:
    """The stream as blocks of UTF-8 (a block may end inside a character); a byte-order mark at its start is dropped.

    `name` is what messages call it; `reopen` starts it again from the beginning, to find out
    which other encoding would fit. Raises LmbenchError with the byte offset of what cannot be read.
    """
    decoder = codecs.getincrementaldecoder(reading.codec)(reading.errors)
    fed = 0
    while True:
        block = stream.read(BLOCK)
        if reading.encoding is None and reading.errors == "strict":
            _check_binary(block, fed, name)
        start = fed
        fed += len(block)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            offset = fed - len(error.object) + error.start
            raise _undecodable(error, offset, name, reading, reopen) from None
        if not block:
            if text and not reading.exact:
                yield text.encode("utf-8")
            return
        if reading.exact:
            yield block[len(UTF8_BOM) :] if start == 0 and block.startswith(UTF8_BOM) else block
        else:
            encoded = text.encode("utf-8", "replace")
            yield encoded[len(UTF8_BOM) :] if start == 0 and encoded.startswith(UTF8_BOM) else encoded


def _check_binary(block: bytes, before: int, name: str) -> None:
    if before == 0 and block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise LmbenchError(f"{name}: begins with a UTF-16 byte-order mark; read it with --encoding utf-16")
    at = block.find(b"\0")
    if at >= 0:
        raise LmbenchError(
            f"{name}: looks binary (a NUL byte at byte {before + at}); "
            "pass a text file, or name its encoding (--encoding utf-8 takes NUL as a character)"
        )


def _undecodable(
    error: UnicodeDecodeError, offset: int, name: str, reading: Reading, reopen: Callable[[], BinaryIO] | None
) -> LmbenchError:
    found = f"byte 0x{error.object[error.start]:02x} at offset {offset}"
    fitting = [] if reading.encoding else _fitting(reopen)
    remedy = f"it reads wholly as {' or '.join(fitting)}: try --encoding {fitting[0]}" if fitting else ""
    remedy = remedy or (
        "name another encoding with --encoding" if reading.encoding else "name its encoding with --encoding"
    )
    return LmbenchError(
        f"{name}: not valid {reading.codec} ({found}: {error.reason}); {remedy}, or pass --errors replace or ignore"
    )


def _fitting(reopen: Callable[[], BinaryIO] | None) -> list[str]:
    """Which of a few common encodings decode the whole stream."""
    if reopen is None:
        return []
    fitting: list[str] = []
    for guess in _GUESSES:
        if guess == "cp932" and "shift_jis" in fitting:
            continue
        decoder = codecs.getincrementaldecoder(guess)("strict")
        with reopen() as stream:
            try:
                while block := stream.read(BLOCK):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                continue
        fitting.append(guess)
    return fitting


def _check_encoding(encoding: str) -> None:
    try:
        info = codecs.lookup(encoding)
        "a".encode(encoding)  # refuses codecs that do not make text, such as base64
    except LookupError:
        known = sorted({*encodings.aliases.aliases, *encodings.aliases.aliases.values()})
        near = difflib.get_close_matches(encoding.lower().replace("-", "_"), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no text encoding {encoding!r}{hint}") from None
    assert info.incrementaldecoder is not None
