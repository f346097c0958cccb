"""Recipes: what they say can be run, and verdicts are those of the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import lmbench

from lmbench.errors import LmbenchError, UsageError
from lmbench.model import models
from lmbench.pipeline import checking
from lmbench.pipeline import recipe as recipes
from lmbench.pipeline.recipe import Expected, Recipe, names, recipe
from lmbench.progress import Silent
from lmbench.score.protocol import protocols
from lmbench.spec import parse
from lmbench.tokenizer import tokenizers

UNIFORM = 257  # bytes and the end of text


def expected(value: float | None, tolerance: float = 0.01, **more: object) -> Expected:
    fields = {"model": "uniform", "figure": "perplexity", "source": "arithmetic", "conventions": "one in 257"} | more
    return Expected(value=value, tolerance=tolerance, **fields)  # type: ignore[arg-type]


def small(*figures: Expected, **more: object) -> Recipe:
    fields = {"name": "small", "description": "d", "tokenizer": "byte", "models": ("uniform",), "seconds": 1.0}
    return Recipe(figures=figures, **(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", names())
def test_every_recipe_can_be_asked_for(name: str) -> None:
    found = recipe(name)
    tokenizers.check(parse(found.tokenizer))
    for spec in found.models:
        models.check(parse(spec))
    assert found.figures
    for each in found.figures:
        assert each.model in found.models
        assert each.source
        assert each.conventions
        assert (each.value is None) == (found.figures_of is not None)
        if each.protocol:
            protocols.check(parse(each.protocol))
    assert found.source or found.data


def test_figures_pass_within_their_tolerance(small_text: Path, tmp_path: Path) -> None:
    wanted = small(
        expected(257.0), expected(257.5), expected(257.5, 0.6), expected(256.0, at_most=True),
        expected(300.0, at_most=True), expected(257.0, protocol="kenlm", figure="Perplexity including OOVs"),
    )  # fmt: skip
    plan = checking.plan_of(wanted, small_text, tmp_path, "cpu")
    _, found = checking.check(wanted, plan, Silent())
    assert [each.verdict for each in found] == ["pass", "fail", "pass", "fail", "pass", "pass"]
    assert all(each.here == pytest.approx(UNIFORM) for each in found)


def test_another_text_is_no_verdict(small_text: Path, tmp_path: Path) -> None:
    wanted = small(expected(257.0), test_tokens=10, data="the text")
    with pytest.raises(LmbenchError, match="another text; wanted is the text"):
        checking.check(wanted, checking.plan_of(wanted, small_text, tmp_path, "cpu"), Silent())


def test_our_own_figures_are_those_of_the_text(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "REFERENCE", tmp_path)
    monkeypatch.setattr(recipes, "_folder", lambda name, beside: tmp_path)
    wanted = small(expected(None), figures_of="check-small.json")
    plan = checking.plan_of(wanted, small_text, tmp_path / "runs", "cpu")
    done, found = checking.check(wanted, plan, Silent())
    assert [each.verdict for each in found] == ["no figure"]
    path = tmp_path / "check-small.json"
    checking.write_recorded(path, wanted, done, found)
    checking.write_recorded(path, wanted, done, found)  # of one text once
    content = json.loads(path.read_text(encoding="utf-8"))["texts"]
    assert list(content) == [done.record.card.test.hash]
    assert {"machine", "versions", "commit", "figures"} <= content[done.record.card.test.hash].keys()
    assert [each.verdict for each in checking.check(wanted, plan, Silent())[1]] == ["pass"]


def test_data_that_is_wanted_is_asked_for(tmp_path: Path) -> None:
    for name, words in (("ptb-kn5", "ptb.train.txt"), ("wikitext-2-gpt2", "joined by two line ends")):
        said = lmbench("check", name)
        assert said.exit_code == 2
        assert words in said.stderr
        assert "--data" in said.stderr
    assert "ptb.train.txt is missing" in lmbench("check", "ptb-kn5", "--data", tmp_path).stderr
    assert "no such file" in lmbench("check", "nanogpt-cpu", "--data", tmp_path / "none").stderr
    assert "choose from" in lmbench("check", "nothing").stderr
    assert lmbench("check", "ptb-kn5", "--data", tmp_path, "--write", tmp_path / "x").exit_code == 2
    with pytest.raises(UsageError, match="for a GPU"):
        checking.plan_of(small(expected(1.0), source="x", device="cuda"), None, tmp_path, "cpu")


def test_the_list_says_what_a_recipe_needs() -> None:
    shown = lmbench("check", "--list")
    assert shown.exit_code == 0
    for name in names():
        assert name in shown.stdout
        assert recipe(name).description.split(":")[0][:20] in shown.stdout


def test_ctrl_c_says_that_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt("interrupted; all is kept in a folder that is gone")

    monkeypatch.setattr(checking, "check", stopped)
    assert "nothing is kept" in lmbench("check", "-q").stderr
    assert "all is kept" in lmbench("check", "-q", "--out", tmp_path).stderr
