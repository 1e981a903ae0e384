"""Parameters of the preprocessing steps that learn from the training cases of a split, once, before all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.intensity import IntensityParameters, backwards
from wardround.engine.parts.preprocessing.step import StepParameters
from wardround.engine.parts.setting import Setting

Within = Literal["all", "nonzero", "foreground"]
Percentile = Annotated[float, Field(ge=0, le=100)]


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


_HOME = "wardround.engine.preprocessing.fitted_steps"
PARTS = (
    Part(Kind.PREPROCESSING, "cohort_clip", CohortClip, f"{_HOME}:CohortClipStep"),
    Part(Kind.PREPROCESSING, "cohort_normalize", CohortNormalize, f"{_HOME}:CohortNormalizeStep"),
)
