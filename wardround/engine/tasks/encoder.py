"""From columns of the table to the features that a network sees."""

from __future__ import annotations

import torch
from torch import Tensor

from wardround.engine.preprocessing.fitted import FittedState, Scale
from wardround.engine.study import Study
from wardround.engine.study.tabular import CategoryColumn, NumberColumn, in_order, numbers_of

_PLAIN = Scale(mean=0.0, deviation=1.0)


class TableEncoder:
    """Numbers in units of the training cases' spread about their mean, categories as one feature for each level."""

    def __init__(self, study: Study, state: FittedState) -> None:
        """Without a state, numbers stay as they are, and a missing one is 0."""
        names = numbers_of(study.columns)
        self._columns = in_order(study.columns)
        self._scales = dict(zip(names, state.columns or [_PLAIN] * len(names), strict=True))

    def __call__(self, table: Tensor) -> Tensor:
        """float32 (samples, features) of float64 (samples, columns), NaN where a cell is missing, on one device."""
        pieces = [self._features(name, table[:, place]) for place, name in enumerate(self._columns)]
        return torch.cat(pieces, dim=1)

    def _features(self, name: str, values: Tensor) -> Tensor:
        column = self._columns[name]
        if isinstance(column, CategoryColumn):
            places = torch.where(values.isnan(), len(column.levels), values).long()
            return (places.unsqueeze(1) == torch.arange(column.width, device=values.device)).float()
        scale = self._scales[name]
        filled = torch.where(values.isnan(), _filling(column, scale), values)
        return ((filled - scale.mean) / scale.deviation).float().unsqueeze(1)


def _filling(column: NumberColumn, scale: Scale) -> float:
    return column.missing if isinstance(column.missing, float) else scale.mean
