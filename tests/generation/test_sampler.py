"""What is drawn from, worked out by hand, and that draws follow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from small_texts import VOCABULARY, text

from lmbench.errors import UsageError
from lmbench.generation.sample import draw_texts
from lmbench.generation.sampler import Sampler, largest
from lmbench.model import models
from lmbench.model.base import Model
from lmbench.progress import Silent

THREE = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64).log()
SETTINGS: list[dict[str, Any]] = [
    {}, {"temperature": 0.5}, {"temperature": 1.7}, {"top_k": 3}, {"top_p": 0.7}, {"min_p": 0.3},
    {"repetition_penalty": 1.5}, {"temperature": 1.3, "top_k": 5, "top_p": 0.9, "min_p": 0.05},
]  # fmt: skip
PROMPT = [0, 1, 3]


def shares(said: list[bool] | None = None, **settings: Any) -> list[float]:
    known = None if said is None else torch.tensor([said])
    return Sampler(**settings).scores(THREE, known).softmax(1)[0].tolist()


def test_each_setting_by_hand() -> None:
    assert shares() == pytest.approx([0.5, 0.3, 0.2])
    assert shares(temperature=0.5) == pytest.approx([0.25 / 0.38, 0.09 / 0.38, 0.04 / 0.38])
    assert shares(top_k=2) == pytest.approx([0.625, 0.375, 0])
    assert shares(top_k=9) == pytest.approx([0.5, 0.3, 0.2])
    assert shares(top_p=0.6) == pytest.approx([0.625, 0.375, 0])
    assert shares(top_p=0.5) == pytest.approx([1, 0, 0])
    assert shares(top_k=2, top_p=0.62) == pytest.approx([1, 0, 0])
    assert shares(min_p=0.5) == pytest.approx([0.625, 0.375, 0])
    assert shares(min_p=0.0) == pytest.approx([0.5, 0.3, 0.2])
    assert shares([True, False, False], repetition_penalty=2) == pytest.approx([0.25 / 0.75, 0.3 / 0.75, 0.2 / 0.75])


@given(st.lists(st.integers(-3, 0), min_size=1, max_size=8), st.integers(1, 8))
def test_the_largest_are_those_of_a_stable_sort(values: list[int], count: int) -> None:
    count = min(count, len(values))
    kept = largest(torch.tensor([values], dtype=torch.float64), torch.tensor([[count]])).isfinite()[0].tolist()
    order = sorted(range(len(values)), key=lambda index: -values[index])[:count]
    assert kept == [index in order for index in range(len(values))]


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_k": 1, "temperature": 9}, {"top_p": 1e-9}])
def test_the_likeliest_of_equal_ones_has_the_lowest_id(settings: dict[str, Any]) -> None:
    scores = torch.tensor([[-math.inf, -1.0, -1.0], [-2.0, -1.0, -0.5]], dtype=torch.float64)
    for uniform in (0.0, 0.5, 1 - 2**-53):
        drawn = Sampler(**settings).draw(scores, torch.full((2,), uniform, dtype=torch.float64))
        assert drawn.tolist() == [1, 2]


def test_what_is_impossible_is_never_drawn() -> None:
    scores = torch.tensor([[-math.inf, 0.0, -math.inf]], dtype=torch.float64).expand(3, 3)
    uniforms = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    for temperature in (0.1, 1.0, 50.0):
        assert Sampler(temperature=temperature).draw(scores, uniforms).tolist() == [1, 1, 1]


@pytest.fixture(scope="module")
def model() -> Model:
    made: Model = models.make("ngram(order=3, smoothing=witten_bell)")
    return made.fit(text(1, 400, 60), text(3, 60), Silent())


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_samples_have_the_distribution(model: Model, settings: dict[str, Any]) -> None:
    """Chi-square of 20,000 first tokens, and of the tokens that follow one of them, at a fixed seed."""
    sampler, count = Sampler(**settings), 20_000
    first, second = draw_texts(
        model, np.array(PROMPT), 2, VOCABULARY.end_of_text, count=count, seed=7, sampler=sampler
    )  # fmt: skip
    assert _p_value(model, sampler, PROMPT, first.ids) > 0.01
    likely = int(np.bincount(first.ids).argmax())
    assert _p_value(model, sampler, [*PROMPT, likely], second.ids[first.ids == likely]) > 0.01


def _p_value(model: Model, sampler: Sampler, context: list[int], drawn: np.ndarray) -> float:
    probs = np.exp(model.next_log_probs(np.array(context)))
    held = np.zeros(len(probs), dtype=bool)
    held[context] = True
    weights = np.where(held, probs**sampler.repetition_penalty, probs) ** (1 / sampler.temperature)
    order = np.argsort(-weights, kind="stable")[: sampler.top_k]
    share = np.cumsum(weights[order]) / weights[order].sum()
    order = order[: int((share < (sampler.top_p or 1)).sum()) + 1]
    order = order[weights[order] >= (sampler.min_p or 0) * weights[order[0]]]
    counts = np.bincount(drawn, minlength=len(probs))
    assert counts[order].sum() == len(drawn)
    if len(order) == 1:
        return 1.0
    return float(chisquare(counts[order], len(drawn) * weights[order] / weights[order].sum()).pvalue)


def test_a_text_is_the_same_however_many_are_drawn_with_it(model: Model) -> None:
    def drawn(count: int, first: int = 0) -> np.ndarray:
        made = draw_texts(model, np.array(PROMPT), 300, VOCABULARY.end_of_text, count=count, first=first, seed=3)
        return np.stack([each.ids for each in made], axis=1)

    many = drawn(5)
    assert np.array_equal(drawn(1), many[:1])
    assert np.array_equal(drawn(2, first=3), many[3:])
    assert len({row.tobytes() for row in many}) == 5


def test_a_token_is_charged_what_the_model_itself_gives_it(model: Model) -> None:
    sampler = Sampler(temperature=0.3, top_k=2)
    context = [*PROMPT]
    for each in draw_texts(model, np.array(PROMPT), 20, VOCABULARY.end_of_text, sampler=sampler, entropies=True):
        log_probs = model.next_log_probs(np.array(context))
        assert each.nats[0] == pytest.approx(-log_probs[each.ids[0]], abs=1e-12)
        assert each.entropy[0] == pytest.approx(-(np.exp(log_probs) @ log_probs), abs=1e-12)
        context = [] if each.ids[0] == VOCABULARY.end_of_text else [*context, int(each.ids[0])]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": -1.0}, {"temperature": math.inf}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0.0},
        {"top_p": 1.5}, {"top_p": math.nan}, {"min_p": -0.1}, {"min_p": 1.1}, {"repetition_penalty": 0.0},
        {"repetition_penalty": math.inf},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"must be"):
        Sampler(**settings)
