"""What a run learned from and was chosen by, kept beside its model folder, so that it is never scored as unseen.

A model folder can be given away, and digests of patients' numbers can be guessed: so the record is not part of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.files import DamagedError, checked, read_whole, write_private
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import LaterReleaseError
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.twins import voxels_digest
from wardround.engine.experiments.learned_record import LEARNED, Learned, Use, names_of, read_learned
from wardround.engine.experiments.models import STUDY, naming_later_releases
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import read_image
from wardround.engine.study import Study, load_study


def write_learned(folder: Path, bench: Workbench) -> None:
    """Write the record of a run's folder, in place of one that says anything else.

    Only for a folder that holds no run yet, as that of one that was killed before it began, or that is known to hold
    this very run.
    """
    path, content = folder / LEARNED, checked(canonical_model(_of_bench(bench)))
    with contextlib.suppress(FileNotFoundError, DamagedError):
        if read_whole(path) == content:
            return
    write_private(path, content)


def keep_learned(work: Path, bench: Workbench) -> None:
    """Keep the record of a site that trains a model together with others, whose model folder will lie elsewhere.

    Whoever was in it stays in it. A damaged record is made again from the cases that are there.
    """
    path, now = _of_work(work, bench.study), _of_bench(bench)
    try:
        known = read_learned(path)
    except LaterReleaseError:
        raise
    except InputError:
        known = None
    both = now if known is None else known.joined(now)
    if both != known:
        write_private(path, checked(canonical_model(both)))


def unseen(
    model: Path, cohort: Cohort, work: Path | None = None, dicom: Dicom = REFUSING
) -> tuple[Cohort, dict[str, Use] | None]:
    """The cases that a model has not seen, and how it used the others, by subject; None where no record says.

    The record lies beside the model folder, or in the `work` folder of a site that took part in the training. Without
    one every case counts as unseen. `dicom` is the word of the study by which the cases are read. Raises `InputError`
    for a damaged record, for a work folder that has none of this model, or if nothing is left.
    """
    learned = read_learned(model.absolute().parent / LEARNED) if work is None else _of_site(model, work)
    if learned is None:
        return cohort, None
    found = {case.subject: _use(learned, case, dicom) for case in cohort.cases}
    used = {subject: use for subject, use in found.items() if use is not None}
    left = tuple(case for case in cohort.cases if case.subject not in used)
    if not left:
        raise InputError.one(
            "the model has seen every case of this table in training or validation",
            where=cohort.manifest.name,
            remedy="Give it cases that it has not seen; those that it was trained with say nothing of its quality",
        )
    return Cohort(cohort.manifest, left, cohort.patients), used


def _of_bench(bench: Workbench) -> Learned:
    uses: Mapping[Use, tuple[Case, ...]] = {"validation": bench.split.validation, "training": bench.split.train}
    seed, names, images = bench.study.seed, dict[str, Use](), dict[str, Use]()
    for use, cases in uses.items():
        for case in cases:
            names |= dict.fromkeys(names_of(seed, case), use)
            images[bench.unfitted[case.subject].content.image] = use
    began = () if bench.start is None or bench.start.learned is None else bench.start.learned.all
    return Learned(seed=seed, names=names, images=images, earlier=began)


def _of_work(work: Path, study: Study) -> Path:
    return work / "learned" / f"{study.digest}.json"


def _of_site(model: Path, work: Path) -> Learned:
    with naming_later_releases(model):
        study = load_study(model / STUDY)
    learned = read_learned(_of_work(work, study)) if work.is_dir() else None
    if learned is None:
        raise InputError.one(
            "this work folder holds no record of training this model's study",
            where=str(work),
            expected=f"learned/{study.digest[:12]}...",
            remedy="Give the work folder of the site that took part, or leave --work out if none of these cases did",
        )
    return learned


def _use(learned: Learned, case: Case, dicom: Dicom) -> Use | None:
    by_name = learned.use_by_name(case)
    if by_name is not None:
        return by_name
    try:
        image = voxels_digest(channel for path in case.channels for channel in read_image(path, dicom).data)
    except InputError:
        return None  # told when it is scored
    return learned.use_by_image(image)
