"""The images of a command that needs no truth: a table of cases, or a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.cohort.folders import Gathered
    from wardround.engine.inspection import Sound
    from wardround.engine.study import Study


def require_images(manifest: Path | None, folder: Path | None) -> None:
    """Raise `InputError` unless one of the two was given, and is a table or a folder with images."""
    from wardround.engine.cohort.folders import images_in
    from wardround.engine.cohort.surroundings import remedy_for_a_table

    if (manifest is None) == (folder is None):
        got = "both" if folder is not None else "neither --manifest nor --folder"
        remedy = "Add `--folder images`, or `--manifest data.csv`, and not both"
        raise InputError.one("where are the images?", got=got, expected="either --manifest or --folder", remedy=remedy)
    if manifest is not None:
        options.require_table(manifest, remedy_for_a_table)
    elif folder is not None:
        images_in(folder)


def gathered_images(study: Study, manifest: Path | None, folder: Path | None) -> Gathered:
    """The cases of a table, or those that a folder's files make."""
    from wardround.engine.cohort import Truth, read_manifest
    from wardround.engine.cohort.folders import Gathered, gather_cases

    if manifest is None:
        return gather_cases(folder or Path(), study)
    return Gathered(read_manifest(manifest, study, truth=Truth.UNREAD), (), 0)


def sound_images(study: Study, gathered: Gathered) -> Sound:
    """The cases that can be predicted, and all that is wrong with the others, in words that concern the images."""
    from wardround.engine.inspection import sound_cases
    from wardround.engine.inspection.for_model import for_model

    try:
        sound = sound_cases(study, gathered.cohort)
    except InputError as error:
        raise InputError((*gathered.problems, *for_model(error.problems, study, gathered.cohort))) from None
    problems = (*gathered.problems, *for_model(sound.problems, study, gathered.cohort))
    return replace(sound, problems=problems, left_out=sound.left_out + gathered.left_out)
