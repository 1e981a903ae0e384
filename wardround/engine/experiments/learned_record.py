"""The record of how a run used its cases. What it says of cases is asked in `learned`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ValidationError

from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.files import DamagedError, read_checked
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.engine.cohort import Case
from wardround.engine.cohort.assignment import patient_digest, subject_digest

LEARNED = "learned.json"
Use = Literal["training", "validation"]


class Learned(Closed):
    """How a run used its cases: by digests of patients and rows, and by the digests of their decoded images.

    `earlier` are the records of the models that it started from, whose digests may have another seed.
    """

    format: Literal[1] = 1
    seed: int
    names: dict[str, Use]
    images: dict[str, Use]
    earlier: Annotated[tuple[Learned, ...], Added("0.4.0")] = ()

    def joined(self, other: Learned) -> Learned:
        """Both together. What either was trained with was trained with."""
        return Learned(
            seed=self.seed,
            names=_joined(self.names, other.names),
            images=_joined(self.images, other.images),
            earlier=(*self.earlier, *(each for each in other.earlier if each not in self.earlier)),
        )

    @property
    def all(self) -> tuple[Learned, ...]:
        """This record and those of earlier models, each without the others."""
        return self.model_copy(update={"earlier": ()}), *self.earlier

    def use_by_name(self, case: Case) -> Use | None:
        """How a case was used, as far as its patient and its row tell."""
        return next(self._uses(case), None)

    def use_by_image(self, image: str) -> Use | None:
        """How a case with this digest of its decoded image was used."""
        return next((each.images[image] for each in self.all if image in each.images), None)

    def _uses(self, case: Case) -> Iterator[Use]:
        for each in self.all:
            yield from (each.names[name] for name in names_of(each.seed, case) if name in each.names)


def _joined(one: Mapping[str, Use], other: Mapping[str, Use]) -> dict[str, Use]:
    trained = {key: use for uses in (one, other) for key, use in uses.items() if use == "training"}
    return {**one, **other, **trained}


def names_of(seed: int, case: Case) -> tuple[str, ...]:
    """A patient is known by its name; a row without a patient by its own."""
    return tuple(dict.fromkeys((patient_digest(seed, case.patient), subject_digest(seed, case.subject))))


def read_learned(path: Path) -> Learned | None:
    """The record in a file; None where there is none. Raises `InputError` for a damaged one."""
    try:
        return Learned.model_validate_json(read_checked(path))
    except FileNotFoundError:
        return None
    except (DamagedError, ValidationError) as error:
        raise later_release(error, path) or InputError.one(
            "the record of what the model learned from is damaged",
            where=str(path),
            remedy="Restore it from a copy. Without it, cases that were trained would count as unseen",
        ) from None
