"""Sources that need no file and no network. One file each; a SPEC chooses one, such as `markov(order=3)`."""

from __future__ import annotations

from lmbench.registry import Registry

builtins = Registry("lmbench.corpus.builtin", "built-in source")
