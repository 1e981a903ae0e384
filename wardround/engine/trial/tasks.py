"""A task's kind of truth on made-up cases: what it says of itself fits what it gives."""

from __future__ import annotations

from collections import Counter

import numpy as np

from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.parts import BreachError, Kind, builtin_and_plugins
from wardround.engine.parts.answers import require_attributes
from wardround.engine.study import Study
from wardround.engine.targets import Form, RowTarget, Target, strata_of, target_of
from wardround.engine.trial.attempt import Attempts, require_finite

_SAMPLES = 3
_CLOSE = 1e-5
"""By how much a prediction may differ from what was written of it, relative to 1 or to itself."""


def try_task(study: Study, shape: tuple[int, ...], attempts: Attempts) -> None:
    """Ask the study's kind of truth for what checks, training and predictions ask it, on a patch of this shape."""
    part = builtin_and_plugins().find(Kind.TASK, study.task)
    with attempts.of(part):
        target = target_of(study)
        require_attributes(target, part.owner)
        _require_words(study, target)
        _require_forms(study, target, shape)
        if isinstance(target, RowTarget):
            _require_rows(study, target)


def _require_words(study: Study, target: Target) -> None:
    """That it can say what it needs, and of cases without truth what there is to say of them."""
    outputs, scaled, unknown = len(study.outputs), target.numbers_to_scale(study), (None,) * _SAMPLES
    if target.activation_of(study) not in ACTIVATIONS:
        raise BreachError(f"the activation {target.activation_of(study)!r}", f"one of {', '.join(ACTIVATIONS)}")
    if scaled not in (0, outputs):
        raise BreachError(f"{scaled} numbers to scale", f"{outputs}, one for each output, or none")
    strata_of(study, unknown)
    names = [column.name for column in target.columns(study)]
    if len({*names}) != len(names):
        raise BreachError(f"the columns {', '.join(names)}", "each name once")
    target.described(study, Counter())


def _require_forms(study: Study, target: Target, shape: tuple[int, ...]) -> None:
    forms, made = target.forms(study), target.example(study, _SAMPLES, shape)
    if made.keys() != forms.keys():
        raise BreachError(f"an example of {sorted(made)}", f"of {sorted(forms)}, as its forms say")
    for name, array in made.items():
        told, wanted = (str(array.dtype), array.shape), _as_formed(forms[name], shape)
        if told != wanted:
            expected = f"{wanted[0]} of shape {wanted[1]}, as its forms say"
            raise BreachError(f"an example of {name!r} in {told[0]} of shape {told[1]}", expected)
        require_finite(array, f"an example of {name!r}")


def _as_formed(form: Form, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Type and shape of a few samples of a form."""
    return form.dtype, (_SAMPLES, *form.shape, *(shape if form.on_grid else ()))


def _require_rows(study: Study, target: RowTarget) -> None:
    """That a prediction can be read back from the row that is written of it."""
    header, needed = target.header(study), target.needed(study)
    vectors, truths = target.example_results(study, _SAMPLES)
    if not {*needed} <= {*header} or len({*header}) != len(header):
        raise BreachError(f"columns of predictions {header}, of which {needed} are needed", "each name once")
    if vectors.shape != (_SAMPLES, len(study.outputs)) or len(truths) != _SAMPLES:
        raise BreachError(f"predictions of shape {vectors.shape}", f"{(_SAMPLES, len(study.outputs))}")
    for vector in vectors:
        row = target.row(study, vector)
        if len(row) != len(header):
            raise BreachError(f"a row of {len(row)} cells", f"{len(header)}, one for each of {', '.join(header)}")
        cells = dict(zip(header, map(str, row), strict=True))
        again = target.vector(study, [cells[name] for name in needed])
        if again.shape != vector.shape or not np.allclose(again, vector, rtol=_CLOSE, atol=_CLOSE):
            raise BreachError(f"{again.tolist()} from the row of a prediction", f"{vector.tolist()}, as it was")
