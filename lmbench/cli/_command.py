"""The command line before a command begins: what click leaves open is settled here, once for every command."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from lmbench import terminal
from lmbench.cli._guard import stopped
from lmbench.errors import UsageError
from lmbench.invocation import RUNS, command

_RUN, _LATEST = "run", "latest"  # the argument that may be left out before others, and what then stands for it


class Command(TyperCommand):
    """Refuses an option given twice that takes one value; RUN may be left out wherever it stands; says what to type
    where a file's name begins with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        given = list(args)  # what is parsed is used up
        try:
            given = self._with_run(ctx, given)
            self._check_once(ctx, given)
            rest = super().parse_args(ctx, list(given))
        except UsageError as error:
            raise stopped(error) from error
        except Exception as error:
            if not hasattr(error, "option_name"):  # NoSuchOption, of click or of the copy that typer may carry
                raise
            named = next((word for word in given if word.startswith("-") and Path(word).exists()), None)
            if named is None:
                raise
            words: list[str | Path] = [Path(word) if word == named else word for word in given]
            line = f"{named} is taken for an option; for the file of that name: {command(self.name or '', *words)}"
            raise stopped(UsageError(line)) from error
        return rest

    def _parsed(self, ctx: Any, args: list[str]) -> tuple[dict[str, Any], list[Any], list[Any]]:
        """{parameter: value} as given, words that no parameter takes, and parameters in the order of the words."""
        options, rest, order = self.make_parser(ctx).parse_args(args=list(args))
        given = {parameter.name for parameter in order}
        return {name: value for name, value in options.items() if name in given}, rest, order

    def _with_run(self, ctx: Any, args: list[str]) -> list[str]:
        """`args` with `latest` where RUN was left out before an argument that was not.

        Raises UsageError where the word that would be taken for the next argument is the name of a run.
        """
        arguments = [parameter for parameter in self.get_params(ctx) if parameter.param_type_name == "argument"]
        names = [parameter.name for parameter in arguments]
        if _RUN not in names or names[-1] == _RUN or {"-h", "--help"} & set(args):
            return args
        before, rest, _ = self._parsed(ctx, args)
        many = arguments[-1].nargs == -1  # the last argument takes all that is left
        filled = [before[name] for name in names if isinstance(before.get(name), str)]
        place, out = names.index(_RUN), Path(before.get("out", RUNS))
        if many:
            filled += before.get(names[-1]) or ()
            left_out = len(filled) == len(names) - 1 or (len(filled) >= len(names) and _is_text(filled[place], out))
        else:
            left_out = not rest and len(filled) == len(names) - 1
        if not left_out:
            return args
        words = _inserted(filled, place)
        last = [tuple(words[len(names) - 1 :])] if many else words[len(names) - 1 :]
        wanted = {**before, **dict(zip(names, [*words[: len(names) - 1], *last], strict=True))}
        for at in range(len(args) + 1):
            tried = _inserted(args, at)
            if self._parsed(ctx, tried)[0] == wanted:
                _check_no_run(filled[place], out, [str(each.metavar) for each in arguments[place:]])
                return tried
        return args

    def _check_once(self, ctx: Any, args: list[str]) -> None:
        """Raise UsageError for an option that takes one value and was given more."""
        counts = Counter(parameter.name for parameter in self._parsed(ctx, args)[2])
        for parameter in self.get_params(ctx):
            repeats = parameter.multiple or getattr(parameter, "is_flag", False)
            if parameter.param_type_name == "option" and not repeats and counts[parameter.name] > 1:
                times = "twice" if counts[parameter.name] == 2 else f"{counts[parameter.name]} times"
                raise UsageError(f"{max(parameter.opts, key=len)} is given {times}, and takes one value: give it once")


def _inserted(words: list[str], place: int) -> list[str]:
    return [*words[:place], _LATEST, *words[place:]]


def _is_text(word: str, out: Path) -> bool:
    """Whether `word`, which stands where RUN may, is no run but a text."""
    from lmbench.store import names_run

    return (word == "-" or Path(word).exists()) and not names_run(word, out)


def _check_no_run(word: str, out: Path, arguments: list[str]) -> None:
    """Raise UsageError where `word`, which would be taken for what comes after RUN, names a run; `arguments`: what
    stands from RUN on, as the help has it."""
    from lmbench.store import names_run

    if not names_run(word, out):
        return
    _, following, *_ = arguments
    line = f"{arguments[-1]} is missing: {word!r} names a run here, and {' '.join(arguments)} are wanted"
    raise UsageError(f"{line}; where {word!r} is the {following}, write a RUN before it, such as {_LATEST}")


class Commands(TyperGroup):
    """All commands: streams that take every character, and errors whose words, which came from the command line, are
    shown and never obeyed."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        terminal.prepare()
        words = kwargs.get("args") or (args[0] if args else None) or sys.argv[1:]
        unread = next((word for word in words if not is_text(word)), None)
        if unread is not None:  # it could be put into no record
            encoding = sys.getfilesystemencoding()
            error = UsageError(f"{unread} on the command line is not text in {encoding}; rename the file")
            raise SystemExit(stopped(error).exit_code)
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _visible_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _visible_errors():
            return super().invoke(ctx)


def is_text(word: str) -> bool:
    """Whether it has no bytes that the encoding of names could not read."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _visible_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message") and isinstance(getattr(error, "message", None), str):
            error.message = terminal.visible(error.message)  # type: ignore[attr-defined]
        raise
