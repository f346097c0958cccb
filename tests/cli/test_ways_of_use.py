"""What people type, and what they are told where it cannot be done."""

from __future__ import annotations

from commands import lmbench


def test_an_error_in_a_spec_puts_a_mark_under_the_place() -> None:
    done = lmbench("run", "--model", "mixture(ngram(ordr=5), lstm)")
    assert done.exit_code == 2
    line, shown, mark = done.stderr.splitlines()
    assert line.startswith("error: model 'ngram' has no option 'ordr'; did you mean 'order'?")
    assert shown[mark.index("^") :].startswith("ordr=5), lstm)")
