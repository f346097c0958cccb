"""How tokens are spelled in an ARPA file, whose words are separated by white space.

Two spellings, named in a comment above `\\data\\` so that the file can be read back:

`plain`: the token's own text. For words: what another tool makes of the same text.
`byte_to_unicode`: each byte becomes one visible character, by the table of GPT-2's tokenizer
(Radford et al. 2019), so that " the" is "Ġthe" and a line's end "Ċ". For tokens that hold
white space or bytes that are no UTF-8, or that share their bytes with another token or with
a mark such as `<s>`: there "␟" and a number follow, which tell the like-spelled apart.

    >>> names(Vocabulary((b"a", b" b", b"a", b"<s>", b""), 4), "byte_to_unicode")
    ['a', 'Ġb', 'a␟2', '<s>␟1', None]
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from lmbench.tokens import Vocabulary

Spelling = Literal["plain", "byte_to_unicode"]
SPELLINGS: tuple[Spelling, ...] = ("plain", "byte_to_unicode")

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
_RESERVED = (BEGIN, END, UNKNOWN, "<UNK>")  # KenLM takes <UNK> for <unk>
_AGAIN = "␟"  # no byte's character


def _table() -> dict[int, int]:
    """{byte: character}: the visible ones of Latin-1 stand for themselves, the rest follow from U+0100."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return dict(zip(visible, visible, strict=True)) | {byte: 256 + n for n, byte in enumerate(hidden)}


_SPELL = _table()
_READ = {character: byte for byte, character in _SPELL.items()}


def names(vocabulary: Vocabulary, spelling: Spelling) -> list[str | None]:
    """[V] each token's word in an ARPA file, all different.

    None for the end of text and the unknown token, which have fixed names, and in `plain` for
    a token that cannot be written: empty, white space in it, no UTF-8, or bytes already taken.
    """
    special = (vocabulary.end_of_text, vocabulary.unknown)
    found: list[str | None] = []
    seen: Counter[str] = Counter()
    for index, token in enumerate(vocabulary.tokens):
        if index in special:
            found.append(None)
            continue
        name = token.decode("latin-1").translate(_SPELL) if spelling == "byte_to_unicode" else _plain(token)
        seen[name] += 1
        taken = seen[name] > 1 or name == "" or name in _RESERVED
        if spelling == "byte_to_unicode":
            found.append(f"{name}{_AGAIN}{seen[name]}" if taken else name)
        else:
            found.append(None if taken else name)
    return found


def _plain(token: bytes) -> str:
    """The token's text; "" where it cannot be one word of a line."""
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "" if any(character in text for character in " \t\r\n") else text


def spelling_for(vocabulary: Vocabulary) -> Spelling:
    """`plain` where every token can be written so and no reader could take it for two, else `byte_to_unicode`."""
    special = (vocabulary.end_of_text, vocabulary.unknown)
    for index, name in enumerate(names(vocabulary, "plain")):
        if index not in special and (name is None or name.split() != [name] or "\0" in name):
            return "byte_to_unicode"
    return "plain"


def token_of(name: str, spelling: Spelling) -> bytes:
    """The bytes that a word of an ARPA file stands for."""
    stem = name.partition(_AGAIN)[0]
    if spelling == "byte_to_unicode" and all(ord(character) in _READ for character in stem):
        return stem.translate(_READ).encode("latin-1")
    return name.encode("utf-8")
