"""What a model is, for whoever is given it: a card in Markdown, with a head for model hubs.

After Mitchell et al. 2019, "Model Cards for Model Reporting". It names no subject and no path. It holds what is known
of the model; what only its makers know, such as whom it is meant for, it asks them to add.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import wardround
from wardround.engine.delivery.formats import Format
from wardround.engine.delivery.proof import Proof
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.run_record import Metrics
from wardround.engine.targets import Activation, Written, target_of

CARD = "README.md"
_TAGS = {
    "segmentation": "image-segmentation",
    "classification": "image-classification",
    "synthesis": "image-to-image",
}
_WRITTEN = {
    Written.FILE: "a mask on each image's own grid",
    Written.IMAGE: "an image of each target on each image's own grid",
    Written.ROW: "one table",
}
_MEANING = {
    Activation.SOFTMAX: "logits: their softmax over the second axis is the probability of each class",
    Activation.SIGMOID: "logits: the sigmoid of each is a probability of its own",
    Activation.IDENTITY: "numbers",
}


def card_of(model: TrainedModel, metrics: Metrics | None, proofs: Iterable[tuple[Format, Proof]]) -> str:
    """The card of a model, with the scores of its `metrics.json` if there is one, and how exported networks compare."""
    pieces = (_head(model), _about(model), _scores(metrics), _use(model), _exported(model, list(proofs)), _limits())
    return "\n\n".join("\n".join(piece) for piece in (list(lines) for lines in pieces) if piece) + "\n"


def _head(model: TrainedModel) -> Iterator[str]:
    yield "---"
    yield "library_name: wardround"
    if tag := _TAGS.get(model.study.task):
        yield f"pipeline_tag: {tag}"
    yield f"tags: [medical-imaging, {model.study.task}]"
    yield "---"


def _about(model: TrainedModel) -> Iterator[str]:
    study = model.study
    weights = sum(weight.numel() for weight in model.network.parameters())
    steps = [use.name for use in study.preprocessing]
    yield f"# {study.study}\n"
    yield from _table(
        {
            "task": f"{study.task}, {study.dimensions}D",
            "inputs, in order": ", ".join(study.inputs),
            target_of(study).title_of(study): ", ".join(study.outputs),
            "preprocessing": ", ".join(steps) or "none",
            "patch": " x ".join(map(str, study.patches.size)),
            "network": f"{study.model.name}, {weights:,} weights",
            "study": f"`study.yaml`, digest `{study.digest}`",
            "written by": f"Wardround {wardround.__version__}",
        }
    )


def _scores(metrics: Metrics | None) -> Iterator[str]:
    if metrics is None:
        return
    yield "## How well it does\n"
    yield (
        f"Trained with {metrics.train_cases} cases; the weights are those of the {metrics.which} step of "
        f"{metrics.total_steps:,}. Means over cases, on the preprocessed grid:\n"
    )
    tested = metrics.test.values if metrics.test else {}
    columns = [f"validation ({metrics.validation.cases} cases)"]
    columns += [f"test ({metrics.test.cases} cases)"] if metrics.test else []
    yield f"| metric | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    for name, value in metrics.validation.values.items():
        cells = [f"{value:.4g}"] + ([_number(tested.get(name))] if metrics.test else [])
        yield f"| {name} | {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _use(model: TrainedModel) -> Iterator[str]:
    yield "## How to use it\n"
    yield "This folder is all that is needed, on any machine with Wardround:\n"
    yield "```\nwardround predict THIS_FOLDER --folder images --out predictions\n```\n"
    yield f"Images are made ready as in training, and the result is {_WRITTEN[target_of(model.study).written]}."


def _exported(model: TrainedModel, proofs: list[tuple[Format, Proof]]) -> Iterator[str]:
    if not proofs:
        return
    study, shape = model.study, ", ".join(map(str, model.study.patches.size))
    yield "## For other programs\n"
    yield (
        f"The networks take float32 of shape (samples, {len(study.inputs)}, {shape}), preprocessed as "
        f"`study.yaml` says, and give (samples, {len(study.outputs)}, ...): "
        f"{_MEANING[target_of(study).activation_of(study)]}. Larger images are cut into windows that overlap by "
        f"{study.inference.overlap:g}. Compared with the trained network on the same windows:\n"
    )
    yield "| file | windows | largest difference | told alike | ms a window | trained network |"
    yield "|---|---:|---:|---:|---:|---:|"
    for one, proof in proofs:
        yield (
            f"| `{one.file}` | {proof.windows:,}, {_of(proof)} | {proof.difference:.1e} | {proof.alike:.4%} "
            f"| {1000 * proof.exported_seconds:.3g} | {1000 * proof.trained_seconds:.3g} |"
        )
    numbers = model.state.truth
    if numbers:
        pairs = [
            f"{name} = {scale.deviation:g} y + {scale.mean:g}"
            for name, scale in zip(study.outputs, numbers, strict=True)
        ]
        yield f"\nA number y of the network is in units of the training cases' spread: {'; '.join(pairs)}."
    yield f"\nMeasured with {proofs[0][1].threads} threads of a processor."


def _of(proof: Proof) -> str:
    return f"of {proof.cases} real cases" if proof.cases else "made up"


def _limits() -> Iterator[str]:
    yield "## What it is not\n"
    yield (
        "This is a research model, not a medical device: no decision about a patient may rest on it. It has seen the "
        "cases of the hospitals that trained it; on other scanners, protocols or patients it may do worse, and"
        " nothing here says how much. Score it on cases of your own with `wardround evaluate` first."
    )
    yield "\nTo be added by its makers: whom it is meant for, where its cases are from, licence, contact."


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    yield "| | |\n|---|---|"
    yield from (f"| {name} | {value} |" for name, value in rows.items())
