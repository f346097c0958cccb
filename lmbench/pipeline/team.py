"""Several processes, one run: `torchrun --nproc-per-node N -m lmbench run ...`.

The first process does the run; it alone reads the text, fits what counts, scores, prints and writes. The others wait,
and join in when it fits a model that trains a net. They read the tokens that it left for them in the run's folder,
which on several machines has to be a folder that all of them see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lmbench import machine
from lmbench.errors import LmbenchError
from lmbench.model import models
from lmbench.pipeline.match import trains_itself
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.spec import Spec
from lmbench.tokens import Tokens

if TYPE_CHECKING:
    from lmbench.training.parallel import World

TOKENS = "tokens"


@dataclass(frozen=True)
class Team:
    """The processes of a run as the first of them sees it; `world` None: it is alone."""

    world: World | None = None

    @contextmanager
    def together(self, spec: Spec, runtime: Runtime, train: Tokens, valid: Tokens) -> Iterator[None]:
        """Within it the others fit the model of `spec` too, where it is a net: fit it, and do nothing else."""
        if self.world is None or not trains_itself(spec):
            yield
            return
        from lmbench.training.parallel import collective

        assert runtime.checkpoints is not None
        home = runtime.checkpoints.parent / TOKENS
        for name, tokens in (("train", train), ("valid", valid)):
            (home / name).mkdir(parents=True, exist_ok=True)
            tokens.save(home / name)
        given = asdict(replace(runtime, fits=None, watch=None)) | {"checkpoints": str(runtime.checkpoints.resolve())}
        self.world.tell({"model": str(spec), "runtime": given, "tokens": str(home.resolve())})
        with collective(True):
            yield


ALONE = Team()


def follows() -> bool:
    """Whether torchrun started this process to help another one."""
    started = machine.launch()
    return started.size > 1 and started.rank > 0


@contextmanager
def leading() -> Iterator[Team]:
    """The team of this process, until the end of the block, when the others are let go."""
    if machine.launch().size == 1:
        yield ALONE
        return
    from lmbench.training.parallel import collective, joined

    with joined() as world:
        try:
            with collective(False):
                yield Team(world)
        finally:
            with suppress(RuntimeError):  # the others are gone already
                world.tell(None)


def follow() -> None:
    """Fit what the first process says, together with it, until it is done. Writes and prints nothing.

    What is wrong with a model is the first process's to report, which is told of what fails here.
    """
    from lmbench.training.parallel import joined

    with joined() as world:
        while (message := world.tell(None)) is not None:
            runtime = Runtime(**message["runtime"] | {"checkpoints": Path(message["runtime"]["checkpoints"])})
            parts = [Tokens.load(Path(message["tokens"]) / name) for name in ("train", "valid")]
            # what stops this process has stopped the first one too, which says what comes next
            with suppress(LmbenchError, KeyboardInterrupt):
                models.make(message["model"], runtime=runtime).fit(*parts, Silent())
