"""A step as one CUDA graph, rehearsed with a capture that runs the work again: there is no GPU in these tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from test_loop import PATIENT, made, weights

from lmbench.progress import Silent
from lmbench.training.graph import Replay


@dataclass
class Again:
    """What was captured, run anew at each replay; `calls` counts them."""

    work: Callable[[], None]
    calls: int = 0

    def replay(self) -> None:
        self.calls += 1
        self.work()


def capture(work: Callable[[], None]) -> Again:
    work()  # as a graph's capture does, once on a stream of its own
    return Again(work)


def test_steps_of_a_graph_are_the_steps_themselves() -> None:
    plain, graphed = made(), made()
    graphed.graphed, graphed.capture = True, capture
    expected, state = plain.run("net", Silent()), graphed.run("net", Silent())
    assert state.best == pytest.approx(expected.best, abs=1e-6)
    assert all(
        torch.allclose(a, b, atol=1e-6) for a, b in zip(weights(plain).values(), weights(graphed).values(), strict=True)
    )
    assert state.notes == expected.notes


def test_each_kind_of_batch_has_its_graph() -> None:
    loop = made()
    loop.graphed, loop.capture = True, capture
    found: list[set[bool]] = []
    update = loop._update
    loop._update = lambda: (found.append(set(loop.graphs)), update())[1]  # type: ignore[method-assign]
    loop.run("net", Silent())
    assert max(found, key=len) == {batch.documents is not None for batch in map(loop.data.batch, range(30))}


@pytest.mark.parametrize("kind", ["refused", "wrong", "memory"])
def test_what_cannot_be_captured_is_trained_without_and_said_once(kind: str) -> None:
    def broken(work: Callable[[], None]) -> Replay:
        if kind == "refused":
            work()
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        if kind == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Again(lambda: None)

    plain, graphed = made(), made()
    graphed.graphed, graphed.capture = True, broken
    expected, state = plain.run("net", Silent()), graphed.run("net", Silent())
    assert state.best == expected.best  # the trial left weights, moments and generator as they were
    said = [note for note in state.notes if "without a CUDA graph" in note]
    assert len(said) == 1
    assert "\n" not in said[0]
    if kind == "refused":
        assert "operation not permitted" in said[0]


def test_a_graph_is_used_for_all_but_the_first_steps() -> None:
    loop, made_graphs = made(PATIENT), []
    loop.graphed = True
    loop.capture = lambda work: made_graphs.append(capture(work)) or made_graphs[-1]  # type: ignore[func-returns-value]
    state = loop.run("net", Silent())
    assert sum(graph.calls for graph in made_graphs) == state.step - 1 + len(made_graphs)  # and once each in the check
