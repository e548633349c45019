"""How a check answers: a few words on what it saw, or a Trouble that says what was found, expected, and what to do."""

from collections.abc import Callable, Iterable

from pipelines.errors import ChainError, FilmgateError

Check = tuple[str, Callable[[], str]]


class TroubleError(ChainError):
    """Something that keeps filmgate from its work."""

    mark = "FAIL"

    def __init__(self, found: str, expected: str, do: str) -> None:
        super().__init__(f"{found}. Expected {expected}. {do}")


class DoubtError(TroubleError):
    """Something that works, and may not be what was meant."""

    mark = "warn"


def examine(checks: Iterable[Check]) -> bool:
    """Run checks, print a line for each, and tell whether none failed; a check that breaks has failed."""
    marks = []
    for name, check in checks:
        mark, said = _answer(check)
        marks.append(mark)
        print(f"{mark:<5} {name}: {said}", flush=True)
    failed, doubts = marks.count(TroubleError.mark), marks.count(DoubtError.mark)
    aside = f" ({doubts} warned)" if doubts else ""
    print(f"FAIL: {failed} of {len(marks)} checks{aside}." if failed else f"ok: none of {len(marks)} failed{aside}.")
    return not failed


def _answer(check: Callable[[], str]) -> tuple[str, str]:
    try:
        return "ok", check()
    except TroubleError as trouble:
        return trouble.mark, str(trouble)
    except FilmgateError as error:
        return TroubleError.mark, str(error)
    except (Exception, SystemExit) as error:  # whatever is broken, the other checks still have something to say
        return TroubleError.mark, f"{_named(error)}. Expected that this can be looked at. Mend this, and run it again."


def _named(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    first = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
