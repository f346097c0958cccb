from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_texts import VOCABULARY, text

from lmbench.tokens import Tokens, tokens_of
from lmbench.training.data import Rows, read_rows

END = VOCABULARY.end_of_text


def test_a_row_reads_one_place_behind_what_it_predicts() -> None:
    tokens = tokens_of([[0, 1], [2]], VOCABULARY)  # a b $ c $
    batch = read_rows(tokens, np.array([1]), 3)
    assert batch.ids.tolist() == [[0, 1, END]]
    assert batch.targets.tolist() == [[1, END, 2]]
    assert batch.documents is not None
    assert batch.documents.tolist() == [[0, 0, 1]]


def test_a_document_begins_after_the_end_of_text_even_where_the_one_before_was_cut() -> None:
    tokens = Tokens(np.array([0, 1, 2, END], dtype=np.uint8), np.array([0, 2]), VOCABULARY)
    assert read_rows(tokens, np.array([0]), 4).ids.tolist() == [[END, 0, END, 2]]
    alone = read_rows(tokens, np.array([2]), 2)
    assert alone.ids.tolist() == [[END, 2]]
    assert alone.documents is None  # a row that begins with a document holds that one only


def test_an_epoch_reads_every_token_once() -> None:
    tokens = text(0, 63)  # 64 tokens with the end, 8 rows of 8 and one at the edge
    rows = Rows(tokens, length=8, rows=1, seed=3)
    starts = np.concatenate([rows.starts(step) for step in range(rows.per_epoch)])
    seen = np.zeros(len(tokens), dtype=int)
    for start in starts:
        seen[start : start + 8] += 1
    assert seen.min() == 1
    assert seen.sum() - len(tokens) <= 8  # but for the overlap at the text's two edges
    second = np.concatenate([rows.starts(step) for step in range(rows.per_epoch, 2 * rows.per_epoch)])
    assert sorted(starts.tolist()) != sorted(second.tolist())  # cut elsewhere


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    tokens = text(0, 300, 20)
    walked = Rows(tokens, 16, 4, seed=1)
    for step in range(50):
        last = walked.batch(step)
    jumped = Rows(tokens, 16, 4, seed=1).batch(49)
    assert torch.equal(last.ids, jumped.ids)
    assert torch.equal(last.targets, jumped.targets)
    other = [Rows(tokens, 16, 4, seed=2).starts(step).tolist() for step in range(5)]
    assert other != [walked.starts(step).tolist() for step in range(5)]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_rows_as_long_as_the_text_and_texts_of_one_token(length: int) -> None:
    tokens = Tokens(np.zeros(length, dtype=np.uint8), np.zeros(1, dtype=np.int64), VOCABULARY)
    batch = Rows(tokens, length, rows=2, seed=0).batch(7)
    assert batch.targets.tolist() == [[0] * length] * 2


def test_ids_stay_on_disk(tmp_path: Path) -> None:
    text(0, 500).save(tmp_path)
    tokens = Tokens.load(tmp_path)
    assert isinstance(tokens.ids, np.memmap)
    batch = Rows(tokens, 16, 2, seed=0).batch(0)
    assert batch.ids.dtype == torch.int64
