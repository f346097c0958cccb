"""The one exception that is meant for the user's eyes."""

from __future__ import annotations


class LmbenchError(Exception):
    """What is wrong, where, and what to do, in one line.

    The command line prints it without a traceback and exits with `exit_code`:
    1 where the data or the machine is at fault, 2 where the command is. `shown`: lines that it puts below,
    such as a mark under the place.
    """

    exit_code = 1
    shown: tuple[str, ...] = ()


class UsageError(LmbenchError):
    """The command itself is wrong: an unknown name, an unknown option, a bad value."""

    exit_code = 2
