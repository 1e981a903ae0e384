"""Weights of a trained model that a run begins with, in place of random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
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
        source: the model folder or the file that it is from.
        digest: SHA-256 of the weights there, which is part of what names the run.
        weights: every tensor of the study's network: those of the model that fit, the others as they begin.
        fresh: names of the others, each with why.
        learned: how the model used its cases; None where no record lies beside it.
    """

    source: Path
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
        head = head_of(study) if outputs != study.outputs else frozenset[str]()
        record = read_learned(folder.absolute().parent / LEARNED)
        return cls._joined(folder, file.tensors, study, dict.fromkeys(head, "of other classes"), record)

    @classmethod
    def of_asset(cls, path: Path, study: Study) -> Start:
        """The tensors of a safetensors file, which says nothing of what its outputs were: they begin afresh.

        Raises `InputError` where none of its weights fits, or one is no number.
        """
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError):
            raise InputError.one("this file holds no tensors", where=str(path), expected="a safetensors file") from None
        infinite = [name for name, tensor in tensors.items() if not torch.isfinite(tensor.float()).all()]
        if infinite:
            raise InputError.one(
                "weights to begin with are not finite", where=str(path), got=_few(infinite), expected="numbers"
            )
        head = dict.fromkeys(head_of(study), "nothing tells for which outputs it was trained")
        return cls._joined(path, tensors, study, head, None)

    @classmethod
    def _joined(
        cls, source: Path, given: Mapping[str, Tensor], study: Study, head: Mapping[str, str], record: Learned | None
    ) -> Start:
        """The study's own weights with the given ones in their place where these fit; `head` says of which ones not."""
        own = build_network(study).state_dict()
        fresh = {
            name: why for name, tensor in own.items() if (why := _misfit(tensor, given.get(name)) or head.get(name, ""))
        }
        # A bias of a few numbers has the same shape in networks that have nothing else in common.
        if not any(tensor.ndim > 1 for name, tensor in own.items() if name not in fresh):
            raise InputError.one(
                "no weight of this model fits the study's network",
                where=str(source),
                got=_few([f"{name}: {why}" for name, why in fresh.items()]),
                remedy="Start from weights that were trained with the same `model` section, or from random ones",
            )
        weights = {name: tensor if name in fresh else given[name] for name, tensor in own.items()}
        return cls(source, tensors_digest(given, None), weights, fresh, record)

    def told(self) -> list[str]:
        """What people should know of it, in sentences."""
        count = len(self.weights)
        told = [f"{count - len(self.fresh)} of {count} tensors begin as those of {self.source}"]
        if self.fresh:
            told.append(f"these begin afresh: {_few([f'{name} ({why})' for name, why in self.fresh.items()])}")
        if self.learned is None:
            told.append(
                f"nothing beside {self.source} tells with which cases it was trained, so every test case counts as "
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

    def of_validation(self, splits: Sequence[NamedSplit], images: Mapping[str, str]) -> list[str]:
        """Of each split whose validation set has cases that the model has seen, what that means; as `require_unseen`
        knows them. Such a set may choose among weights, but says nothing of what they are worth."""
        told = []
        for named in splits:
            cases = named.split.validation
            seen = [case for case in cases if self._has_seen(case, images)]
            if seen:
                told.append(
                    f"{named.name}: the model that it starts from has seen {len(seen)} of {len(cases)} validation "
                    f"cases, among them {seen[0].subject}, so that validation scores are better than those of unseen "
                    "cases and early weights may be chosen; judge it by its test cases"
                )
        return told

    def _has_seen(self, case: Case, images: Mapping[str, str]) -> bool:
        if self.learned is None:
            return False
        image = images.get(case.subject)
        by_image = None if image is None else self.learned.use_by_image(image)
        return (self.learned.use_by_name(case) or by_image) is not None


def _misfit(own: Tensor, given: Tensor | None) -> str:
    """Why a tensor is not taken in place of one of the study's network; empty where it is."""
    if given is None:
        return "not in that model"
    if given.shape != own.shape:
        return f"shape {tuple(given.shape)} there, {tuple(own.shape)} here"
    return "" if given.dtype == own.dtype else f"{given.dtype} there, {own.dtype} here"


def _few(lines: Sequence[str]) -> str:
    shown = "; ".join(lines[:_SHOWN])
    return f"{shown}; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else shown
