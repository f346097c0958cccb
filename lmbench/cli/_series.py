"""Shannon's series on a terminal, one step after the other as they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmbench.record import Approximation, Series

_INDENT = 4
_BAR = 44  # columns of the longest bar
_SHORTEST = 8  # columns: where there is no room for more, there are no bars
_NAME = 16  # columns in which a step's name stands, where it is no longer


class Shown:
    """The steps that were made so far, on standard output unless `silent`."""

    def __init__(self, name: str, silent: bool) -> None:
        self.steps: list[Approximation] = []
        self._name = name
        self._silent = silent

    def add(self, step: Approximation) -> None:
        """Print a step, under the heading of its kind where it is the first one."""
        before = self.steps[-1] if self.steps else None
        self.steps.append(step)
        if self._silent:
            return
        from lmbench.report.screen import print_bare, screen, styled
        from lmbench.report.section.series import kind_of

        console, kind = screen(), kind_of(step)
        head = [styled(f"Shannon’s series of approximations to {self._name}", "bold")] if before is None else []
        if before is None or kind != kind_of(before):
            head += ["", styled(kind, "bold cyan")]
        most = max(each.bits_per_character or 0.0 for each in self.steps)
        print_bare(console, *head, _lines(step, most, console.width))

    def end(self, made: Series) -> None:
        """What is to be known of all steps."""
        from lmbench.report.screen import bullets, print_bare, screen, styled
        from lmbench.report.section.series import about, notes_of

        console = screen()
        notes = bullets(notes_of(made), console.width)
        print_bare(console, "", styled(about(made), "dim"), *([notes] if notes else []))


def _lines(step: Approximation, most: float, width: int) -> Any:
    """A bar of the cross-entropy, `most` being the longest one, the sample, and what of it is copied."""
    from rich.cells import cell_len

    from lmbench.cli._phrases import flat
    from lmbench.report.screen import group, indented, pieces, styled
    from lmbench.report.section.series import copied_of, kind_of, label_of, stretches

    name = label_of(step).split(", ")[0] if step.order is not None else step.model
    name = "unbounded" if kind_of(step) == "all suffixes" else name
    above = [styled(name, "bold")] if cell_len(name) > _NAME else []
    figures, bits = _figures(step), step.bits_per_character
    room = min(_BAR, width - _NAME - len(figures) - 3)
    head = [(f"{'' if above else name:<{_NAME}} ", "bold")]
    if bits is not None and most > 0 and room >= _SHORTEST:
        filled = max(1, round(room * bits / most))
        head += [("━" * filled, "cyan"), (" " * (room - filled + 2), "")]
    head.append((figures, ""))
    sample = [(flat(text), "yellow" if copied else "") for text, copied in stretches(step)]
    copied = styled(copied_of(step), "yellow" if step.only_copies else "dim")
    return group(*above, pieces(*head), indented(pieces(*sample), _INDENT), indented(copied, _INDENT))


def _figures(step: Approximation) -> str:
    from lmbench.report import format as form

    by_character, by_word = form.fixed(step.bits_per_character, 3), form.fixed(step.bits_per_word, 2)
    return f"{by_character:>6} bits/char {by_word:>6} bits/word"
