"""Patches, folds, metrics and inference of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wardround.engine.basics.flaws import flow
from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.interop.gandlf.settings import Settings
from wardround.engine.interop.gandlf.uses import is_alike, parts_called, tell_unknown
from wardround.engine.parts import Kind

_SAMPLES, _FOLDS, _MOST_FOLDS = 10, 5, 50
_USUAL = {"segmentation": "dice", "classification": "balanced_accuracy", "regression": "mae"}
_PER_LABEL = "_per_label"
_WHOLE = (
    "an image is one patch: the network sees all of it at once. GaNDLF draws patches from it, and takes the mean of "
    "their predictions. Images have to have the size of the patch: add `- resize: {size: ...}` where they have not"
)


def patches_line(config: Settings, patch: Sequence[int], task: str, notes: Notes) -> str:
    """`patches` of the study."""
    per_case = config.whole("q_samples_per_volume", _SAMPLES) or _SAMPLES
    if per_case < 1:
        notes.wrong("q_samples_per_volume", "this is no number of patches", per_case, "1 or more")
    found = config.take("patch_sampler")
    own = Settings(found if isinstance(found, Mapping) else {"type": found}, "patch_sampler", notes)
    kind = (own.word("type") or "uniform").lower()
    _tell_sampler(own, kind, notes)
    if task != "segmentation":
        notes.here("patch_size", _WHOLE)
        return f"patches: {{size: {[*patch]}, per_case: 1}}"
    foreground = 0 if kind.startswith("uniform") else 1
    return f"patches: {{size: {[*patch]}, per_case: {per_case}, foreground: {foreground}}}"


def _tell_sampler(own: Settings, kind: str, notes: Notes) -> None:
    if kind not in ("uniform", "label"):
        text = "0.1.5 knows `uniform` and `label` alone, and stops at the names that it had before"
        if not kind.startswith(("uniform", "label", "weighted")):
            notes.wrong("patch_sampler", "unknown sampler of patches", kind, "uniform or label")
        notes.there("patch_sampler", text)
    if own.flag("biased_sampling"):
        notes.here("patch_sampler.biased_sampling", "classes are drawn evenly; see `class_weights` of `patches`")
    if own.flag("enable_padding") or own.take("padding_mode"):
        notes.here("patch_sampler.enable_padding", "what lies outside an image has the value `padding` of `patches`")
    own.tell_unread()


def validation_line(config: Settings, task: str, notes: Notes) -> str:
    """`validation` of the study."""
    names = [*_metrics(config.take("metrics"), task, notes)] or [_USUAL[task]]
    folds = config.section("nested_training")
    outer, inner = _folds(folds, "testing"), _folds(folds, "validation")
    _tell_folds(folds, notes)
    notes.here("metrics", f"the best weights are those with the best `{names[0]}`, where GaNDLF takes the least loss")
    metrics = f"metrics: {flow(names)}, select: {names[0]}"
    return f"validation: {{outer_folds: {outer}, inner_folds: {inner}, {metrics}}}"


def _metrics(found: Any, task: str, notes: Notes) -> Iterator[str]:
    """The names of the metrics here, each once."""
    given = [*_names(found)]
    known = dict.fromkeys(name for each in given for name in _metric(each, task, notes))
    if not known:
        notes.here("metrics", f"no metric of a {task} is left: `{_USUAL[task]}` is taken")
    if task == "segmentation":
        notes.there("metrics", "scores of validation leave out the first class of the list, whichever it is")
    yield from known


def _names(found: Any) -> Iterator[str]:
    """GaNDLF takes a list of names, of mappings and of sets, or one mapping."""
    for each in found if isinstance(found, list | tuple | Mapping | set) else [found] if found else []:
        if isinstance(each, Mapping | set | list):
            yield from map(str, each)
        else:
            yield str(each)


def _metric(name: str, task: str, notes: Notes) -> Iterator[str]:
    parts = parts_called(Kind.METRIC, name.lower().removesuffix(_PER_LABEL))
    serving = [part.name for part in parts if part.serves(task)]
    if serving:
        yield serving[0]
    elif parts:
        notes.here("metrics", f"`{name}` is no metric of a {task}: it is left out")
    elif is_alike(Kind.METRIC, name) and not parts_called(Kind.LOSS, name):
        tell_unknown(Kind.METRIC, name, "metrics", notes)
    else:
        text = f"`{name}` has no counterpart here; GaNDLF leaves out each name that it does not know"
        notes.here("metrics", text)


def _folds(section: Settings, key: str) -> int:
    """How many folds; GaNDLF writes a minus for one of so many, and 1 for none."""
    count = section.whole(key, -_FOLDS)
    if count is None or count == 0 or abs(count) > _MOST_FOLDS:
        expected = f"2 to {_MOST_FOLDS}, or -2 to -{_MOST_FOLDS} for one of so many"
        section.notes.wrong(section.place(key), "this is no number of folds", count, expected)
        return _FOLDS
    if abs(count) == 1:
        text = f"there is always a set for {key}: {_FOLDS} folds. A column `Split` in the table states the sets instead"
        section.notes.here(section.place(key), text)
        return _FOLDS
    if count < 0:
        text = "`wardround fit` runs the first fold alone unless it is told `--folds`, as the minus asked"
        section.notes.here(section.place(key), text)
    return abs(count)


def _tell_folds(folds: Settings, notes: Notes) -> None:
    stratified, proportional = folds.flag("stratified"), folds.flag("proportional")
    if stratified and not proportional:
        text = (
            "it is switched off again by `proportional`, which is false unless it is written; here folds are stratified"
        )
        notes.there("nested_training.stratified", text)
    testing = folds.whole("testing", -_FOLDS)
    if testing is not None and abs(testing) > 1:
        text = (
            "patients of the test set are trained on: inner folds are numbered within the training set and looked up "
            "in the whole table. With five by five folds 20 of 25 leak. Here folds are disjoint by patient"
        )
        notes.there("nested_training.testing", text)
    folds.tell_unread()


def inference_line(config: Settings, patch: Sequence[int], notes: Notes) -> str:
    """`inference` of the study."""
    own = config.section("inference_mechanism")
    blend, overlap = own.word("grid_aggregator_overlap").lower(), own.number("patch_overlap", 0.0) or 0.0
    _tell_apart(config.word("grid_aggregator_overlap").lower(), blend, notes)
    if blend not in ("", "crop", "average", "hann"):
        notes.wrong("inference_mechanism.grid_aggregator_overlap", "unknown blend", blend, "crop, average or hann")
    own.tell_unread()
    share = overlap / max(patch)
    if not 0 <= share <= 0.9:
        notes.wrong("inference_mechanism.patch_overlap", "windows cannot overlap by this", overlap, "less than a patch")
    if blend in ("", "crop") and overlap:
        notes.here("inference_mechanism", "the rims of windows are averaged, where GaNDLF cuts them off")
    words = "gaussian" if blend == "hann" else "constant"
    return f"inference: {{overlap: {round(share, 4):g}, blend: {words}}}"


def _tell_apart(apart: str, blend: str, notes: Notes) -> None:
    if apart and apart != (blend or "crop"):
        text = "beside `inference_mechanism` it is ignored: that has a key of the same name, which counts"
        notes.there("grid_aggregator_overlap", text)
