"""A strategy of another package at work: what it raises, or makes that is not as declared, is told as its package's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.parts import BreachError, Owner, answering
from wardround.engine.study import Study
from wardround.federation.payload import PACKABLE, PayloadError, check_packable
from wardround.federation.strategies.protocol import (
    Arrays,
    Contribution,
    Fold,
    Folded,
    Incoming,
    Sent,
    SiteHalf,
    Sites,
    Strategy,
)
from wardround.federation.strategies.sharing import Sharing

if TYPE_CHECKING:
    from torch import Tensor, nn


class ForeignStrategy:
    """Hands everything on to the strategy of another package, both of whose halves answer for themselves."""

    def __init__(self, owner: Owner, strategy: Strategy) -> None:
        self._owner, self._strategy = owner, strategy

    @property
    def sharing(self) -> Sharing:
        """What it declares. Raises `InputError` that names the package, as all that follows does."""
        with answering(self._owner):
            found: object = self._strategy.sharing
            if not isinstance(found, Sharing):
                raise BreachError(f"a {type(found).__name__} as what it shares", "a Sharing")
            return found

    def flaws(self, study: Study) -> Sequence[Problem]:
        """What of a study does not go with it."""
        with answering(self._owner):
            return tuple(self._strategy.flaws(study))

    def at_site(self, incoming: Incoming, network: nn.Module) -> SiteHalf:
        """Its half at a site."""
        with answering(self._owner):
            return _ForeignHalf(self._owner, self._strategy.at_site(incoming, network))

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Start a round."""
        with answering(self._owner):
            return _ForeignFold(self._owner, self._strategy.begin(base, state, sites), base)


class _ForeignHalf:
    def __init__(self, owner: Owner, half: SiteHalf) -> None:
        self._owner, self._half = owner, half

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """A scalar, or None."""
        import torch

        with answering(self._owner):
            term: object = self._half.loss_term(network)
            if term is None:
                return None
            if not isinstance(term, torch.Tensor):
                raise BreachError(f"a {type(term).__name__} as its term of the loss", "a tensor of one number, or None")
            if term.ndim or not term.is_floating_point():
                got = f"a term of the loss of type {term.dtype} and shape {tuple(term.shape)}"
                raise BreachError(got, "a floating-point tensor without axes")
            return term

    def before_update(self, network: nn.Module) -> None:
        """Its change of the gradients."""
        with answering(self._owner):
            self._half.before_update(network)

    def after_step(self, network: nn.Module) -> None:
        """Its change of the weights."""
        with answering(self._owner):
            self._half.after_step(network)

    def finish(self, network: nn.Module) -> Sent:
        """What it hands over, if that is a `Sent` of arrays and numbers."""
        with answering(self._owner):
            found: object = self._half.finish(network)
            if not isinstance(found, Sent):
                raise BreachError(f"a {type(found).__name__} after a round at a site", "a Sent")
            for name, array in found.shared.items():
                if not isinstance(array, np.ndarray):
                    raise BreachError(f"{name} as a {type(array).__name__}", "a numpy array")
            _require_kept(found.carried, "what a site keeps for its next round")
            for name, number in found.numbers.items():
                if not isinstance(number, int | float):
                    raise BreachError(f"{name} as a {type(number).__name__}", "a number")
            return found


class _ForeignFold:
    def __init__(self, owner: Owner, fold: Fold, base: Arrays) -> None:
        self._owner, self._fold = owner, fold
        self._forms = {name: (array.dtype, array.shape) for name, array in base.items()}

    def add(self, contribution: Contribution) -> None:
        """Take in one site's part."""
        with answering(self._owner):
            self._fold.add(contribution)

    def finish(self) -> Folded:
        """The result, if it is of the base's form."""
        with answering(self._owner):
            found: object = self._fold.finish()
            if not isinstance(found, Folded):
                raise BreachError(f"a {type(found).__name__}", "a Folded")
            self._require_form(found.model)
            _require_kept(found.state, "what the aggregator keeps for the next round")
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


def _require_kept(arrays: Arrays, what: str) -> None:
    """Raise `BreachError` unless arrays can be written down: otherwise that would be known when all have trained."""
    for name, array in arrays.items():
        # An operation on an array without axes gives a numpy scalar, which is kept as the array that it stands for.
        if not isinstance(array, np.ndarray | np.generic):
            raise BreachError(f"{name} as a {type(array).__name__} in {what}", "a numpy array")
        try:
            check_packable({str(name): np.asarray(array)})
        except PayloadError:
            got = f"{name!r} of type {array.dtype} in {what}"
            raise BreachError(got, f"names as group/tensor, and one of the types {', '.join(PACKABLE)}") from None
