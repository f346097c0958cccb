"""What should be known before a model is fitted: held-out text that is training text too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmbench.corpus import Corpus
from lmbench.corpus.repeated import holds, repeated
from lmbench.corpus.split import Splits

if TYPE_CHECKING:
    from lmbench.pipeline.job import Plan

MATTERS = 0.01  # of the characters: in a text of lines some short ones stand everywhere


def repeats_of(plan: Plan, corpus: Corpus, splits: Splits) -> dict[str, str]:
    """{valid, test: a sentence on what of that part trains too}, for the parts of which that is to be said.

    By the files first, then by the texts, then by whole documents; these are not looked for under the prequential
    protocol, where what comes later may be known from before.
    """
    found = {}
    for name in ("valid", "test"):
        path, part = None if plan.deduplicate else getattr(plan, name), getattr(splits, name)
        if path is not None and holds(plan.source, path):
            what = "lies in SOURCE" if not holds(path, plan.source) else "is SOURCE itself"
        elif path is not None and part.hash == corpus.text.hash:
            what = "holds the same text as SOURCE"
        else:
            if plan.protocol == "static":
                train = [splits.train, splits.valid] if name == "test" and splits.refit else [splits.train]
                documents, characters = repeated(train, part)
                if characters >= MATTERS:
                    shares = f"{documents:.1%} of its documents ({characters:.1%} of its characters)"
                    found[name] = f"the {name} text: {shares} stand whole in the training text"
            continue
        found[name] = f"--{name} {path} {what}, which the models are trained on"
    if plan.test is not None and plan.valid is not None and not found and splits.valid.hash == splits.test.hash:
        found["valid"] = "--valid and --test are one text: settings are chosen on what the models are scored on"
    return found
