"""Several processes that train one net, with the nets and texts of `test_loop.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from test_loop import TESTS

TOGETHER = """
    import json, sys
    sys.path[:0] = {tests!r}
    import torch
    torch.set_num_threads(1)
    import test_loop
    from lmbench.progress import Silent
    trained = test_loop.made()
    for module in trained.net.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    state = trained.run("net", Silent())
    print(json.dumps([state.best, state.step, float(sum(p.abs().sum() for p in trained.net.parameters()))]))
"""


def test_two_processes_train_as_one_does() -> None:
    program = textwrap.dedent(TOGETHER.format(tests=TESTS))
    alone = dict(os.environ, OMP_NUM_THREADS="1")
    shared = dict(alone, WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29_000 + os.getpid() % 10_000))

    def start(environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)

    children = [start(alone), *(start(dict(shared, RANK=str(rank))) for rank in range(2))]
    one, *two = [json.loads(child.communicate(timeout=120)[0].splitlines()[-1]) for child in children]
    assert two[0] == two[1]
    assert two[0] == pytest.approx(one, rel=1e-3)


FAILING = """
    import json, sys
    sys.path[:0] = {tests!r}
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    import test_loop
    from lmbench.errors import LmbenchError
    from lmbench.progress import Silent
    from lmbench.runtime import Runtime
    from lmbench.training import loop
    from lmbench.training.parallel import joined
    loop.CHECKPOINT_SECONDS = 0.0
    said = []
    def full(*_):
        raise MemoryError
    with joined() as world:
        for runtime in (Runtime(), Runtime(checkpoints=Path({folder!r}) / "file")):
            trained = test_loop.made(runtime=runtime)
            if world.rank == 1 and runtime.checkpoints is None:
                trained.loss = full
            try:
                trained.run("net", Silent())
            except LmbenchError as error:
                said.append(str(error))
    print(json.dumps(said))
"""


def test_what_fails_in_one_process_fails_in_all_and_none_waits(tmp_path: Path) -> None:
    """A row too large for the second one's memory; then a disk that the first one cannot write to."""
    (tmp_path / "file").write_text("in the way")
    program = textwrap.dedent(FAILING.format(tests=TESTS, folder=str(tmp_path)))
    port = str(29_000 + (os.getpid() + 1) % 10_000)
    shared = dict(os.environ, OMP_NUM_THREADS="1", WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=dict(shared, RANK=str(rank))
        )
        for rank in range(2)
    ]
    try:
        found = [json.loads(child.communicate(timeout=60)[0].splitlines()[-1]) for child in children]
    finally:
        for child in children:
            child.kill()
    for memory, disk in found:
        assert "a single row of 16 tokens does not fit in memory" in memory
        assert "cannot write the checkpoint" in disk
