"""A strategy of another package at work: what it raises, or makes that is no model, is told as its package's."""

from __future__ import annotations

import numpy as np

from wardround.engine.parts import BreachError, Owner, answering
from wardround.federation.strategies.protocol import Arrays, Fold, Folded, Strategy


class ForeignStrategy:
    """Hands everything on to the strategy of another package, which answers for itself."""

    def __init__(self, owner: Owner, strategy: Strategy) -> None:
        self._owner, self._strategy = owner, strategy

    def begin(self, base: Arrays, state: Arrays) -> Fold:
        """Start a round. Raises `InputError` that names the package."""
        with answering(self._owner):
            return _ForeignFold(self._owner, self._strategy.begin(base, state), base)


class _ForeignFold:
    def __init__(self, owner: Owner, fold: Fold, base: Arrays) -> None:
        self._owner, self._fold = owner, fold
        self._forms = {name: (array.dtype, array.shape) for name, array in base.items()}

    def add(self, update: Arrays, weight: int) -> None:
        """Take in one site's arrays."""
        with answering(self._owner):
            self._fold.add(update, weight)

    def finish(self) -> Folded:
        """The result, if it is a model of the base's form."""
        with answering(self._owner):
            found: object = self._fold.finish()
            if not isinstance(found, Folded):
                raise BreachError(f"a {type(found).__name__}", "a Folded")
            self._require_form(found.model)
            return found

    def _require_form(self, model: Arrays) -> None:
        for name in sorted({*model, *self._forms}):
            array, form = model.get(name), self._forms.get(name)
            if array is None or form is None:
                raise BreachError(
                    f"{'no' if array is None else 'a'} tensor {name}", "the tensors of the incoming model"
                )
            if (array.dtype, array.shape) != form:
                got = f"{name} as {array.dtype} of shape {array.shape}"
                raise BreachError(got, f"{form[0]} of shape {form[1]}, as in the incoming model")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise BreachError(f"{name} with values that are not finite", "finite numbers")
