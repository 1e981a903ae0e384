"""Words of the command line into what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardround.engine.basics.problems import InputError

if TYPE_CHECKING:
    from wardround.engine.cohort import Folds


def folds_of(word: str) -> Folds | int:
    """The folds that `--folds` names. Raises `InputError`."""
    from wardround.engine.cohort import Folds

    if word in [*Folds]:
        return Folds(word)
    if not (word.isascii() and word.isdigit()):
        raise InputError.one(
            "unknown folds",
            where="--folds",
            got=repr(word),
            expected="a number, all or nested",
            remedy="Write for example `--folds 0`, `--folds all` or `--folds nested`",
        )
    return int(word)
