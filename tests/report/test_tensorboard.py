from __future__ import annotations

from pathlib import Path

import pytest
from commands import lmbench

from lmbench import store
from lmbench.pipeline import Plan, run
from lmbench.report.tensorboard import Curves, write_curves

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

NET = "bigram_embedding(width=4)"


def scalars(home: Path) -> dict[str, list[tuple[int, float]]]:
    """{tag: (step, value)} of the event files in a folder, read by TensorBoard."""
    found = EventAccumulator(str(home))
    found.Reload()
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def homes(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.rglob("events.out.tfevents.*")})


def test_curves_are_written_while_it_trains_and_afterwards(small_text: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched(Curves):
        def add(self, point, wall=None):  # type: ignore[no-untyped-def]
            super().add(point, wall)
            seen.append(len(homes(self.folder)))

    plan = Plan(
        source=str(small_text), tokenizer="byte", models=["uniform", NET, f"mixture([uniform, {NET}])"],
        estimators=[], device="cpu", train_tokens=4_000, seeds=2, out=tmp_path / "runs",
    )  # fmt: skip
    with Watched(tmp_path / "live") as curves:
        done = run(plan, on_point=curves.add)
        assert seen[0] == 1  # on the disk when the first point was made
    row = store.find_row(done.record, NET)
    points = row.training["curve"]
    assert isinstance(points, list)
    [first, second] = homes(tmp_path / "live")  # a net inside a mixture is the row's own; a seed has its folder
    assert first.parent.name == done.folder.name
    assert second.name == f"{first.name}-seed-1"
    live = scalars(first)
    assert live["loss/valid"] == [(each["tokens"], pytest.approx(each["valid"])) for each in points]  # type: ignore[index, call-overload]
    assert {"loss/train", "cost/seconds", "cost/flops"} <= live.keys()
    assert write_curves(tmp_path / "later", [(done.folder.name, done.record)]) == 1
    [home] = homes(tmp_path / "later")
    assert scalars(home)["loss/valid"] == live["loss/valid"]


def test_both_commands_take_the_option(small_text: Path, tmp_path: Path) -> None:
    ran = lmbench(
        "run", small_text, "--tokenizer", "byte", "--model", NET, "--estimator", "none", "--train-tokens", "2000",
        "--out", tmp_path / "runs", "--tensorboard", tmp_path / "live", "-q",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    [folder] = (tmp_path / "runs").iterdir()
    after = lmbench("report", folder, "--tensorboard", tmp_path / "later")
    assert after.exit_code == 0, after.stderr
    assert "1 learning curve" in after.stderr
    [live], [later] = homes(tmp_path / "live"), homes(tmp_path / "later")
    assert scalars(live)["loss/valid"] == scalars(later)["loss/valid"]


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = lmbench("report", "latest", "--tensorboard", tmp_path / "t", "--out", tmp_path)
    assert found.exit_code == 2


def test_a_model_with_tokens_of_its_own_is_watched_in_nats_per_token_of_the_run() -> None:
    from lmbench.model._per_token import watched

    seen = []
    watch = watched(seen.append, 2 / 3)
    assert watch is not None
    watch({"tokens": 3, "train": None, "valid": 2.0})
    assert seen == [{"tokens": 3, "train": None, "valid": pytest.approx(4 / 3)}]
    assert watched(None, 1.0) is None
