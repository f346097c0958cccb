"""The records themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lmbench.report.export.base import Exported

__all__ = ["Json"]


class Json:
    """The record of a run, as record.json has it; of several runs `{"runs": [...]}`, each with the name of its folder
    under `run`."""

    def text(self, runs: Sequence[Exported]) -> str:
        found = [{"run": run.name} | run.record.model_dump(mode="json") for run in runs]
        content = {name: value for name, value in found[0].items() if name != "run"} if len(found) == 1 else None
        return json.dumps(content or {"runs": found}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
