"""Parameters of the preprocessing steps that learn from the training cases of a split, once, before all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.intensity import IntensityParameters, Percentile, backwards
from wardround.engine.parts.preprocessing.step import Contrast, StepParameters
from wardround.engine.parts.setting import Setting

Within = Literal["all", "nonzero", "foreground"]
LANDMARKS = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
"""The percentiles that histograms are brought together at."""


class FittedParameters(StepParameters):
    """Base of the parameters of every step that is fitted.

    Its values come from the training cases of the split that is being fitted, as the steps before it leave them: from
    `all` voxels, from those that are not zero (`nonzero`), or from those of the classes of a segmentation
    (`foreground`). Validation and test cases are never looked at.
    """

    within: Within = "all"

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of the foreground, where nothing says what it is."""
        yield from super().flaws(setting)
        if self.within == "foreground" and not setting.masked:
            yield Flaw(
                (*setting.place, "within"),
                "there is no foreground without masks",
                got=f"`within: foreground` for the task {setting.task}",
                expected="`all` or `nonzero`",
                remedy="Write `within: nonzero` to leave out a background that is 0, and `within: all` otherwise",
            )


class CohortClip(FittedParameters, IntensityParameters):
    """Limit intensities to two percentiles of the training cases, for each channel.

    The percentiles are those of all voxels of all training cases together, to 1/4096 of their range. Together with
    `cohort_normalize` this follows the scheme for computed tomography of nnU-Net (Isensee et al. 2021,
    doi:10.1038/s41592-020-01008-z), where a value means the same in every image.
    """

    percentiles: tuple[Percentile, Percentile] = (0.5, 99.5)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.percentiles[0] >= self.percentiles[1]:
            raise backwards("percentiles[0]", "percentiles[1]", *self.percentiles)
        return self


class CohortNormalize(FittedParameters, IntensityParameters):
    """Subtract the mean and divide by the standard deviation of the training cases, for each channel.

    After `cohort_clip` both are those of the clipped values; nnU-Net takes them of the values before.
    """

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class Nyul(FittedParameters, IntensityParameters):
    """Bring the histograms of all images to that of the training cases, for each channel (Nyul and Udupa 1999).

    The landmarks are the percentiles 1, 10, 20 and so on to 90, and 99. Of each training case they are brought to a
    scale from 0 to 100, and their means there are the standard; every image is mapped to it, linearly between its
    own landmarks, and beyond them as the outermost piece goes (doi:10.1002/(SICI)1522-2594(199912)42:6<1072::AID-MRM11>
    3.0.CO;2-M). For images whose values mean nothing by themselves, as of magnetic resonance. Landmarks are sought in
    every image, so that no mask can say where.
    """

    within: Literal["all", "nonzero"] = "nonzero"

    @property
    def needs_contrast(self) -> Contrast:
        """Where landmarks are sought."""
        return self.within

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


_HOME = "wardround.engine.preprocessing.fitted_steps"
PARTS = (
    Part(Kind.PREPROCESSING, "cohort_clip", CohortClip, f"{_HOME}:CohortClipStep"),
    Part(Kind.PREPROCESSING, "cohort_normalize", CohortNormalize, f"{_HOME}:CohortNormalizeStep"),
    Part(Kind.PREPROCESSING, "nyul", Nyul, "wardround.engine.preprocessing.nyul:NyulStep"),
)
