"""A folder that can be given away: the model, its card, and its network in the formats that were asked for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue, ValidationError

from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.made import EXPORT, Made
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.cohort import Cohort
from wardround.engine.delivery.card import CARD, card_of
from wardround.engine.delivery.formats import Format, traced
from wardround.engine.delivery.proof import Proof, example_images, prove, require_equal
from wardround.engine.experiments.chosen_steps import CHOSEN
from wardround.engine.experiments.models import BEST, METRICS, STUDY, TrainedModel, require_images_alone
from wardround.engine.experiments.prediction import in_memory
from wardround.engine.experiments.run_record import Metrics
from wardround.engine.experiments.states import STATE
from wardround.engine.preprocessing import read_sample
from wardround.engine.preprocessing.cases import image_of, naming
from wardround.engine.store.case import StoredCase

PROOFS = "export.json"
_MODEL = (STUDY, BEST, METRICS, STATE, CHOSEN)
"""The files of a model folder that `predict` and whoever reads it need; what a folder lacks it can do without."""


@dataclass(frozen=True)
class Delivered:
    """What was written: the names of the files, and how each network compares with the trained one."""

    folder: Path
    files: tuple[str, ...]
    proofs: tuple[tuple[Format, Proof], ...]


def names_of(formats: Sequence[Format]) -> tuple[str, ...]:
    """All files that a delivery may have."""
    return (*_MODEL, CARD, PROOFS, *(name for one in formats for name in one.files))


def deliver(
    model: TrainedModel,
    source: Path,
    out: Path,
    formats: Sequence[Format],
    cohort: Cohort | None = None,
    shown: Progress = SILENT,
) -> Delivered:
    """Write the folder `out` from a model that was loaded, onto the CPU, from the folder `source`.

    Each network is read back from its file and compared with the trained one on every window of the cohort's cases;
    without a cohort on made-up windows. Raises `InputError`, and writes nothing, if one is not equal, or if `out` has
    files of these names that no export has made.
    """
    require_images_alone(model.study, "exported")
    made = Made(out, EXPORT)
    made.require_free(names_of(formats), "delivered")
    out.mkdir(parents=True, exist_ok=True)
    # All is made aside first, so that a network that is not equal leaves an earlier delivery as it was.
    with TemporaryDirectory(prefix=".wardround-", dir=out) as place:
        aside = Path(place)
        proofs = _write_networks(model, aside, formats, cohort, shown)
        _write_beside(model, source, aside, proofs)
        names = sorted(path.name for path in aside.iterdir())
        for name in names:
            with made.writing(name) as path:
                (aside / name).replace(path)
    return Delivered(out, tuple(names), proofs)


def _write_networks(
    model: TrainedModel, aside: Path, formats: Sequence[Format], cohort: Cohort | None, shown: Progress
) -> tuple[tuple[Format, Proof], ...]:
    program, proofs = traced(model.network, example_images(model, 2)), []
    done = 0
    for one in formats:
        one.write(program, aside / one.file)
        cases = () if cohort is None else _cases(model, cohort)
        counted = _counted(cases, shown, done)
        proof = prove(model, one.run(aside / one.file), counted)
        require_equal(proof, one)
        proofs.append((one, proof))
        done += proof.cases
    return tuple(proofs)


def _cases(model: TrainedModel, cohort: Cohort) -> Iterator[StoredCase]:
    """The cases as the model sees them, one at a time, in no store. Raises `InputError` that names one at fault."""
    for case in cohort.cases:
        sample = read_sample(model.study, case)
        with naming(case, image_of(case)):
            yield in_memory(model.pipeline, case, sample)


def _counted(cases: Iterable[StoredCase], shown: Progress, before: int) -> Iterator[StoredCase]:
    for number, case in enumerate(cases, start=before + 1):
        yield case
        shown.advance(number)


def _write_beside(model: TrainedModel, source: Path, aside: Path, proofs: Sequence[tuple[Format, Proof]]) -> None:
    for name in _MODEL:
        if (source / name).is_file():
            shutil.copyfile(source / name, aside / name)
    (aside / CARD).write_text(card_of(model, _metrics(source), proofs), encoding="utf-8")
    told: dict[str, JsonValue] = {one.name: {"file": one.file, **asdict(proof)} for one, proof in proofs}
    (aside / PROOFS).write_bytes(canonical_json({"study": model.study.digest, "networks": told}))


def _metrics(source: Path) -> Metrics | None:
    """The scores of a model; None where its folder tells none, as that of a federation."""
    path = source / METRICS
    try:
        return Metrics.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        what, remedy = "the model's scores cannot be read", "Move the file away to export the model without its scores"
        raise InputError.one(what, where=str(path), expected="what `wardround fit` wrote", remedy=remedy) from None
