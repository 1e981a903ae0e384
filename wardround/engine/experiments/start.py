"""Weights of a trained model that a run begins with, in place of random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort import Case, NamedSplit
from wardround.engine.experiments.learned_record import LEARNED, Learned, read_learned
from wardround.engine.experiments.models import BEST, STUDY, naming_later_releases, require_model
from wardround.engine.networks.build import build_network, head_of
from wardround.engine.study import Study, load_study
from wardround.engine.training import read_tensors
from wardround.engine.training.weights import tensors_digest

_SHOWN = 4


@dataclass(frozen=True)
class Start:
    """What a run begins with.

    Attributes:
        folder: the model folder that it is from.
        digest: SHA-256 of that model's weights, which is part of what names the run.
        weights: every tensor of the study's network: those of the model that fit, the others as they begin.
        fresh: names of the others, each with why.
        learned: how the model used its cases; None where no record lies beside its folder.
    """

    folder: Path
    digest: str
    weights: Mapping[str, Tensor]
    fresh: Mapping[str, str]
    learned: Learned | None

    @classmethod
    def of(cls, folder: Path, study: Study) -> Start:
        """The weights of a model folder for a study.

        A tensor is taken by its name where it has the same shape. Those that depend on the number of outputs are not,
        where the outputs have other names: they would know other classes.

        Raises:
            InputError: it is no model folder, is damaged, or none of its weights fits.
        """
        require_model(folder)
        with naming_later_releases(folder):
            outputs, file = load_study(folder / STUDY).outputs, read_tensors(folder / BEST)
        own = build_network(study).state_dict()
        head = head_of(study) if outputs != study.outputs else frozenset[str]()
        fresh = {
            name: why for name, tensor in own.items() if (why := _misfit(name, tensor, file.tensors.get(name), head))
        }
        # A bias of a few numbers has the same shape in networks that have nothing else in common.
        if not any(tensor.ndim > 1 for name, tensor in own.items() if name not in fresh):
            raise InputError.one(
                "no weight of this model fits the study's network",
                where=str(folder),
                got=_few([f"{name}: {why}" for name, why in fresh.items()]),
                remedy="Start from a model that was trained with the same `model` section, or leave --start-from out",
            )
        weights = {name: tensor if name in fresh else file.tensors[name] for name, tensor in own.items()}
        record = read_learned(folder.absolute().parent / LEARNED)
        return cls(folder, tensors_digest(file.tensors, None), weights, fresh, record)

    def told(self) -> list[str]:
        """What people should know of it, in sentences."""
        count = len(self.weights)
        told = [f"{count - len(self.fresh)} of {count} tensors begin as those of {self.folder}"]
        if self.fresh:
            told.append(f"these begin afresh: {_few([f'{name} ({why})' for name, why in self.fresh.items()])}")
        if self.learned is None:
            told.append(
                f"nothing beside {self.folder} tells with which cases it was trained, so every test case counts as "
                "unseen, though that model may have seen it"
            )
        return told

    def require_unseen(self, splits: Sequence[NamedSplit], images: Mapping[str, str]) -> None:
        """Raise `InputError` with every split whose test set has cases that the model has seen.

        `images` are digests of decoded images by subject; of a case without one its patient and row decide.
        """
        findings = Findings()
        for named in splits:
            seen = [case for case in named.split.test if self._has_seen(case, images)]
            if seen:
                findings.add(
                    "the model that it starts from has seen cases of the test set",
                    where=named.name,
                    got=f"{len(seen)} of {len(named.split.test)}, among them {seen[0].subject}",
                    expected="a test set that nothing has been learned from",
                    remedy="Start from a model that was trained with other cases, such as that of the same fold of "
                    "the same table, or keep these cases out of the test set with a column Split. If they are other "
                    "patients who have the same names, give them other ones",
                )
        findings.raise_if_any()

    def _has_seen(self, case: Case, images: Mapping[str, str]) -> bool:
        if self.learned is None:
            return False
        image = images.get(case.subject)
        by_image = None if image is None else self.learned.use_by_image(image)
        return (self.learned.use_by_name(case) or by_image) is not None


def _misfit(name: str, own: Tensor, given: Tensor | None, head: frozenset[str]) -> str:
    """Why a tensor of the study's network is not taken from a model; empty where it is."""
    if given is None:
        return "not in that model"
    if (given.shape, given.dtype) != (own.shape, own.dtype):
        return f"shape {tuple(given.shape)} there, {tuple(own.shape)} here"
    return "of other classes" if name in head else ""


def _few(lines: Sequence[str]) -> str:
    shown = "; ".join(lines[:_SHOWN])
    return f"{shown}; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else shown
