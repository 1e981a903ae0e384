"""From the regions in which a model puts each voxel to one class a voxel, as a mask has it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from wardround.engine.study.regions import Regions

THRESHOLD = 0.5
"""A voxel lies in a region that is more probable than not."""
_TABLE = 12
"""So many regions have combinations that fit into a small table."""


class Painter:
    """Writes each voxel with the class that lies in exactly the regions that were found there.

    Where no class does, as for a core outside the whole, regions are painted one over the other, the largest first, as
    nnU-Net does (Isensee et al. 2021): the smallest that was found decides. Of regions that lie within one another
    every combination that a mask can show comes back as it was found.
    """

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        count = len(regions.names)
        self._codes = np.min_scalar_type((1 << count) - 1)
        self._labels = np.uint8 if len(regions.classes) <= 256 else np.uint16
        self._table = self._painted(np.arange(1 << count, dtype=self._codes)) if count <= _TABLE else None

    def codes(self, probabilities: Iterable[np.ndarray]) -> npt.NDArray[np.unsignedinteger]:
        """A number for each voxel that says in which regions it lies, from one volume for each region."""
        found: npt.NDArray[np.unsignedinteger] | None = None
        for place, values in enumerate(probabilities):
            lies_in = (values > THRESHOLD).astype(self._codes)
            lies_in <<= self._codes.type(place)
            found = lies_in if found is None else np.bitwise_or(found, lies_in, out=found)
        assert found is not None
        return found

    def labels(self, codes: npt.NDArray[np.unsignedinteger]) -> np.ndarray:
        """Class indices of voxels with these codes, uint8 where they fit and else uint16."""
        return self._painted(codes) if self._table is None else self._table[codes]

    def _painted(self, codes: npt.NDArray[np.unsignedinteger]) -> np.ndarray:
        labels = np.zeros(codes.shape, dtype=self._labels)
        for place, index in enumerate(self._regions.painted):
            labels[(codes >> self._codes.type(place)) & self._codes.type(1) == 1] = index
        for index in self._regions.exact:
            lies_in = self._regions.classes[index]
            labels[codes == self._codes.type(sum(1 << place for place, lies in enumerate(lies_in) if lies))] = index
        return labels
