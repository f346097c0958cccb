"""Texts as Tokens, made here so that the estimators are tested without any tokenizer."""

from __future__ import annotations

import numpy as np
from small_texts import byte_alphabet

from lmbench.tokens import Tokens, Vocabulary, tokens_of


def char_tokens(*documents: str, lines: bool = False) -> Tokens:
    """Each code point a token; an empty end of text, or a newline where documents are lines."""
    alphabet = sorted(set("".join(documents)))
    vocabulary = Vocabulary((*(symbol.encode() for symbol in alphabet), b"\n" if lines else b""), len(alphabet))
    place = {symbol: index for index, symbol in enumerate(alphabet)}
    return tokens_of([[place[symbol] for symbol in document] for document in documents], vocabulary)


def byte_tokens(*documents: bytes) -> Tokens:
    """Each byte a token, as the byte tokenizer has it."""
    return tokens_of([list(document) for document in documents], byte_alphabet())


def id_tokens(ids: np.ndarray, alphabet: int) -> Tokens:
    """One document of ids below `alphabet`, each standing for one character."""
    vocabulary = Vocabulary((*(chr(0x4E00 + index).encode() for index in range(alphabet)), b""), alphabet)
    everything = np.append(ids, alphabet).astype(vocabulary.dtype)
    return Tokens(everything, np.zeros(1, dtype=np.int64), vocabulary)


def nothing(like: Tokens) -> Tokens:
    """No text at all, in the same vocabulary."""
    return tokens_of([], like.vocabulary)
