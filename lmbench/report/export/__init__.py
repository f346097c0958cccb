"""The figures of runs in the forms of other programs. One file per form; `base.py` holds the contract."""

from __future__ import annotations

from lmbench.registry import Registry

exports = Registry("lmbench.report.export", "format")


def name_of(form: str) -> str:
    """The plug-in of a form as it is typed: `lm-eval` is `lm_eval`."""
    return form.replace("-", "_")


def forms() -> list[str]:
    """All forms, as they are typed."""
    return [name.replace("_", "-") for name in exports.names]
