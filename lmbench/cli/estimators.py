"""`lmbench estimators`: what there is, read from the sources."""

from __future__ import annotations

from lmbench.cli._listing import Name, show
from lmbench.cli._options import Json

__all__ = ["estimators"]

PANEL = "List what there is"


def estimators(name: Name = None, json: Json = False) -> None:
    """List the estimators of the entropy of a source, with their options and defaults.

    With NAME, also how it did on sources whose entropy rate is known.
    """
    from lmbench.entropy import estimators as registry

    show(registry, name, json)
    if name is not None and not json:
        _show_calibration(name)


def _show_calibration(name: str) -> None:
    from lmbench.entropy._coverage import calibrated
    from lmbench.report.calibration import ABOUT, calibration_table
    from lmbench.report.screen import screen

    rows = calibrated(name)
    if not rows:
        return
    console = screen()
    console.print()
    console.say("  On sources of known rate (lmbench entropy --calibrate):")
    console.print()
    console.print(calibration_table(rows))
    console.say(ABOUT)
