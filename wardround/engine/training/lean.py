"""torch's optimisers without what they load but never use here."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, cast

import torch
from torch.optim import Optimizer

Kind = TypeVar("Kind", bound=type[Optimizer])
_PLAIN = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def lean(kind: Kind) -> Kind:
    """A class of optimisers that does the same as `kind` without loading torch's compiler.

    The compiler is never used here, but torch's decorators around these methods load it when they are first called:
    more than a second and 70 MB at the start of every process that trains.
    """
    step: Any = inspect.unwrap(kind.step)

    @torch.no_grad()
    def plain_step(self: Optimizer, closure: Any = None) -> Any:
        """One step, of which no gradient is taken, as with torch's decorator."""
        return step(self, closure)

    members: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in _PLAIN}
    members.update(step=plain_step, __doc__=kind.__doc__)
    return cast(Kind, type(kind.__name__, (kind,), members))
