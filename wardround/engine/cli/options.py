"""Options of a command line into what they mean. Each that is wrong is named, and all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.engine.basics.problems import Findings, InputError, did_you_mean
from wardround.engine.basics.sizes import parse_size

if TYPE_CHECKING:
    from wardround.engine.cohort import Folds
    from wardround.engine.experiments.ensemble import Combine

_MOST_STEPS = 10_000_000


def require_all(*checks: Callable[[], object]) -> None:
    """Make every check. Raises one `InputError` with the problems of all, each once."""
    findings = Findings()
    for check in checks:
        with findings.gather():
            check()
    if findings.problems:
        raise InputError(dict.fromkeys(findings.problems))


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


def made_folds(word: str, study: Path, manifest: Path) -> Folds | int:
    """The folds that `--folds` names. Raises `InputError` for one that study and table do not make.

    What is wrong with the study itself is told by those who use it.
    """
    from wardround.engine.cohort.folds import require_fold as require
    from wardround.engine.study import load_study

    fold, loaded = folds_of(word), None
    with Findings().gather():
        loaded = load_study(study)
    if isinstance(fold, int) and loaded is not None:
        is_stated = _states_sets(manifest)
        with _at("--folds"):
            require(fold, 1 if is_stated else loaded.validation.outer_folds, is_stated=is_stated, where="")
    return fold


def _states_sets(manifest: Path) -> bool:
    """Whether a table says who is in which set. What is wrong with it is told by those who read all of it."""
    from wardround.engine.cohort.columns import SPLIT
    from wardround.engine.cohort.tables import read_table

    with Findings().gather():
        return any(row.cells.get(SPLIT) for row in read_table(manifest, Findings()).rows)
    return False


def size_of(text: str | None, option: str) -> int | None:
    """The bytes that an option such as `--store-limit` states; None where it is not given. Raises `InputError`."""
    try:
        return None if text is None else parse_size(text)
    except ValueError:
        raise InputError.one(
            "this is no size",
            where=option,
            got=repr(text),
            expected="a number with MB, GB or TB",
            remedy=f'Write for example `{option} "200 GB"`',
        ) from None


def require_steps(steps: int | None) -> None:
    """Raise `InputError` for a number of steps that no study may have."""
    if steps is not None and not 1 <= steps <= _MOST_STEPS:
        raise InputError.one(
            "so many steps cannot be trained",
            where="--steps",
            got=f"{steps:,}",
            expected=f"1 to {_MOST_STEPS:,}",
            remedy="Leave --steps out to train for the epochs of the study",
        )


def take_threads(threads: int | None) -> None:
    """Set this process's thread budget. Raises `InputError` for one with which no work can be done."""
    from wardround.engine.training import configure_threads

    with _at("--threads"):
        configure_threads(threads)


def require_parallel(count: int, folds: str, threads: int | None, team: int) -> None:
    """Raise `InputError` for a number of processes that folds or threads are too few for; `team` is how many train
    each fold together."""
    from wardround.engine.training import configure_threads

    if count > 1 and team > 1:
        raise InputError.one(
            "processes that train one fold together cannot train several at the same time",
            where="--parallel",
            got=f"{count} under `torchrun` with {team} processes",
            expected="1",
            remedy="Leave --parallel out, or leave `torchrun` out, which --parallel does not need",
        )
    with Findings().gather():
        threads = configure_threads(threads)  # what is wrong with it is told by its own check
    if count == 1 or (1 < count <= (threads or 1) and not folds.isdigit()):
        return
    one = "a single fold is trained in one process: " if count > 1 and folds.isdigit() else ""
    raise InputError.one(
        "so many folds cannot be trained at the same time",
        where="--parallel",
        got=str(count),
        expected=f"{one}1" if one else f"1 to {threads}, so that each has a CPU thread",
        remedy="Write for example `--folds all --parallel 2`, or leave --parallel out",
    )


def assets_of(words: Sequence[str]) -> dict[str, Path]:
    """Where assets lie, of `--asset NAME=PATH`. Raises `InputError` with all that say something else."""
    findings, places = Findings(), dict[str, Path]()
    for word in words:
        name, is_placed, path = word.partition("=")
        if not (name and is_placed and path):
            remedy = "Write for example `--asset pretrained=weights.safetensors`"
            findings.add("this names no file", where="--asset", got=repr(word), expected="NAME=PATH", remedy=remedy)
        elif name in places:
            findings.add("this asset is named twice", where="--asset", got=name, expected="one place")
        else:
            places[name] = Path(path)
    findings.raise_if_any()
    return places


def require_assets(words: Sequence[str], study: Path) -> None:
    """Raise `InputError` with what is wrong with the files that a study needs. What is wrong with the study itself is
    told by those who use it."""
    from wardround.engine.inspection.assets import require_assets as require
    from wardround.engine.study import load_study

    loaded, places = None, assets_of(words)
    with Findings().gather():
        loaded = load_study(study)
    if loaded is not None and (places or loaded.assets):
        require(loaded, places)


def combine_of(word: str) -> Combine:
    """How several models are combined. Raises `InputError` for another word."""
    from wardround.engine.experiments.ensemble import Combine

    if word not in [*Combine]:
        remedy, expected = did_you_mean(word, Combine), ", ".join(Combine)
        raise InputError.one(
            "unknown way to combine models", where="--combine", got=repr(word), expected=expected, remedy=remedy
        )
    return Combine(word)


def require_device(device: str) -> None:
    """Raise `InputError` for a device that this machine does not have."""
    from wardround.engine.training import resolve_device

    with _at("--device"):
        resolve_device(device)


def require_own_devices(device: str, team: int) -> None:
    """Raise `InputError` where the processes of a training, so many, would share one accelerator."""
    if team > 1 and device.startswith("cuda:"):
        raise InputError.one(
            "each process that trains takes an accelerator of its own",
            where="--device",
            got=f"{device} for {team} processes",
            expected="auto, cuda or cpu",
            remedy="Leave --device out, and give `torchrun` as many processes as there are accelerators",
        )


def _write_a_table(folder: Path) -> str:
    from wardround.engine.cohort.surroundings import holds_images

    return "Write a CSV table with one row per case, and name it here" if holds_images(folder) else ""


def require_table(manifest: Path, remedy_for_a_folder: Callable[[Path], str] = _write_a_table) -> None:
    """Raise `InputError` where no table can be read at `--manifest`; what is wrong within it is told later.

    `remedy_for_a_folder` says what to do about a folder of images; it is empty for another one.
    """
    from wardround.engine.cohort.tables import read_table

    remedy = remedy_for_a_folder(manifest) if manifest.is_dir() else ""
    if remedy:
        raise InputError.one(
            "this is a folder of images, and no table",
            where=str(manifest),
            got="a folder",
            expected="a CSV file with one row per case",
            remedy=remedy,
        )
    read_table(manifest, Findings())


def require_folder(folder: Path | None, option: str, example: str) -> None:
    """Raise `InputError` where the folder that an option names, or one above it, is a file."""
    above = () if folder is None else (folder, *folder.parents)
    taken = next((place for place in above if place.exists() and not place.is_dir()), None)
    if taken is not None:
        raise InputError.one(
            f"{taken} is a file",
            where=option,
            got=str(folder),
            expected="a folder, which need not exist yet",
            remedy=f"Name a folder, such as `{option} {example}`",
        )


def require_new_file(file: Path, option: str) -> None:
    """Raise `InputError` where something stands already at the place of a file that is to be written, or where no file
    can stand."""
    require_folder(file.parent, option, "folder/file")
    if file.exists() or file.is_symlink():
        raise InputError.one(
            "something of this name is there already",
            where=option,
            got=str(file),
            expected="a new file",
            remedy=f"Nothing was replaced: name another file with {option}",
        )


@contextmanager
def _at(option: str) -> Iterator[None]:
    """What is wrong within is wrong with an option."""
    try:
        yield
    except InputError as error:
        raise InputError(replace(problem, where=option) for problem in error.problems) from None
