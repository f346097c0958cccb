"""An ARPA file as lines and blocks of lines, with the numbers of the lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lmbench.corpus.compression import open_binary, readable
from lmbench.counts.arpa.names import SPELLINGS, Spelling
from lmbench.counts.ngrams import MAX_ORDER
from lmbench.errors import LmbenchError

BLOCK = 1 << 24  # bytes read and parsed together; a line must be shorter
_PREAMBLE = 1 << 20  # bytes that may stand before \data\
_COUNT = re.compile(r"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_SPELLING = re.compile(r"#\s*tokens:\s*(\S+)")


@dataclass(frozen=True)
class Header:
    """`counts`: of each order; `numbers`: their lines. `spelling`: of the tokens, None where nothing says."""

    counts: list[int]
    numbers: list[int]
    spelling: Spelling | None


class Source:
    """The file being read; `number` is that of the next line."""

    def __init__(self, path: Path, handle: IO[bytes]) -> None:
        self.path = path
        self.number = 1
        self._handle = handle
        self._buffer = b""
        self._at = 0
        self._whole = False  # the buffer reaches to the end of the file

    def error(self, what: str, number: int | None = None) -> LmbenchError:
        """`what` is wrong in line `number`, or in the one last read."""
        return LmbenchError(f"{self.path}:{max(1, self.number - 1) if number is None else number}: {what}")

    def _fill(self) -> None:
        """Make sure that a block of bytes, or all that is left, is in the buffer."""
        while not self._whole and len(self._buffer) - self._at < BLOCK:
            try:
                with readable(self.path):
                    more = self._handle.read(BLOCK)
            except LmbenchError as error:
                raise self.error(str(error).removeprefix(f"{self.path}: "), self.number) from None
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
            self._whole = not more

    @property
    def ended(self) -> bool:
        self._fill()
        return self._at == len(self._buffer)

    def line(self) -> str | None:
        """The next line that is not empty, without white space around it; None at the end of the file."""
        while not self.ended:
            stop = self._stop(self._buffer.find(b"\n", self._at) + 1)
            text = self._buffer[self._at : stop].strip().decode("utf-8", errors="replace")
            self._at = stop
            self.number += 1
            if text:
                return text
        return None

    def _stop(self, stop: int) -> int:
        """`stop`, or where it is 0 because there is no end of line the end of the file, which is not far."""
        if stop == 0 and not self._whole:
            raise self.error(f"a line of more than {BLOCK:,} bytes; this is not an ARPA file", self.number)
        return stop or len(self._buffer)

    def block(self) -> bytes:
        """Whole lines, about `BLOCK` bytes, up to the next that begins with a backslash; b"" there and at the end."""
        self._fill()
        if self.ended or self._buffer.startswith(b"\\", self._at):
            return b""
        backslash = self._buffer.find(b"\\", self._at)  # of one byte: ten times faster to find than of two
        stop = 0 if backslash < 0 else self._buffer.find(b"\n\\", backslash - 1) + 1
        if stop == 0:
            stop = self._stop(len(self._buffer) if self._whole else self._buffer.rfind(b"\n", self._at) + 1)
        block = self._buffer[self._at : stop]
        self._at = stop
        self.number += block.count(b"\n") + (not block.endswith(b"\n"))
        return block

    def header(self) -> Header:
        r"""Everything before `\1-grams:`."""
        spelling: Spelling | None = None
        read = 0
        while (text := self.line()) != "\\data\\":
            read += len(text or "")
            if text is None or read > _PREAMBLE:
                raise self.error("there is no \\data\\ line; this is not an ARPA file", 1)
            found = _SPELLING.fullmatch(text)
            if found:
                spelling = next((name for name in SPELLINGS if name == found[1]), None)
                if spelling is None:
                    raise self.error(f"tokens spelled {found[1]!r}; known are {', '.join(SPELLINGS)}")
        number = self.number - 1
        counts: list[int] = []
        numbers: list[int] = []
        while not self._at_backslash() and (text := self.line()) is not None:
            found = _COUNT.fullmatch(text)
            if not found:
                raise self.error(f"{text[:60]!r} in the header, where `ngram ORDER=COUNT` is wanted")
            if int(found[1]) != len(counts) + 1:
                raise self.error(f"the header counts {found[1]}-grams where {len(counts) + 1}-grams are next")
            counts.append(int(found[2]))
            numbers.append(self.number - 1)
        if not 0 < len(counts) <= MAX_ORDER:
            raise self.error(f"the header counts n-grams of {len(counts)} orders; 1 to {MAX_ORDER} can be read", number)
        return Header(counts, numbers, spelling)

    def _at_backslash(self) -> bool:
        """Whether the next line that is not empty begins with a backslash."""
        while not self.ended and self._buffer[self._at : self._at + 1].isspace():
            self.number += self._buffer[self._at] == ord("\n")
            self._at += 1
        return self._buffer.startswith(b"\\", self._at)

    def expect(self, wanted: str) -> None:
        """Read the line `wanted`."""
        text = self.line()
        if text is None:
            raise self.error(f"the file ends where {wanted} is wanted; it is cut off")
        if text != wanted:
            raise self.error(f"{text[:60]!r} where {wanted} is wanted")

    def finish(self) -> None:
        r"""Read `\end\`, after which there may be nothing more."""
        self.expect("\\end\\")
        text = self.line()
        if text is not None:
            raise self.error(f"{text[:60]!r} after \\end\\")


def second_line(path: Path, gram: list[str]) -> int:
    """The number of the second line that lists an n-gram; for a file that has been read so far without complaint."""
    section = f"\\{len(gram)}-grams:".encode()
    wanted = [word.encode() for word in gram]
    here = False
    seen = 0
    with open_binary(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(b"\\"):
                here = line.strip() == section
            elif here and re.split(rb"[ \t\r]+", line.strip())[1 : len(gram) + 1] == wanted:
                seen += 1
                if seen == 2:
                    return number
    raise AssertionError(f"{gram} is not twice in {path}")
