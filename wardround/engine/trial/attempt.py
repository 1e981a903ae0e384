"""One part's turn: whatever goes wrong is told as that part's, and the others have theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from wardround.engine.basics.blame import PartFault
from wardround.engine.basics.faults import memory_or_device_problem
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import BreachError, Part


@dataclass
class Attempts:
    """What went wrong so far, each fault once."""

    problems: list[Problem] = field(default_factory=list)

    @contextmanager
    def of(self, part: Part, place: str = "") -> Iterator[None]:
        """While a part is tried: an error ends its turn, and is told with `place`, the key that names it.

        What a built-in part raises is told too: it does not go with the study then.
        """
        where = place or part.owner.where
        try:
            yield
        except InputError as error:
            self._note([replace(problem, where=problem.where or where) for problem in error.problems], where)
        except Exception as error:
            if memory_or_device_problem(error) is not None:
                raise
            self._note([part.owner.fault(error)], where)

    def _note(self, problems: Sequence[Problem], where: str) -> None:
        for problem in problems:
            told = replace(problem, where=where) if isinstance(problem, PartFault) else problem
            if told not in self.problems:
                self.problems.append(told)


def require_finite(values: Tensor | np.ndarray, what: str) -> None:
    """Raise `BreachError` unless all values are numbers."""
    tensor = torch.as_tensor(values)
    broken = int(tensor.numel() - torch.isfinite(tensor).sum())
    if broken:
        raise BreachError(f"{what}, of which {broken} of {tensor.numel()} are NaN or infinite", "finite numbers")


def require_unchanged(before: Tensor | np.ndarray | None, after: Tensor | np.ndarray | None, what: str) -> None:
    """Raise `BreachError` if a part has written into what it was given."""
    if before is not None and after is not None and not np.array_equal(np.asarray(before), np.asarray(after)):
        raise BreachError(f"{what}, changed in place", "a new one: what is given stays as it is")
