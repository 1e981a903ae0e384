"""Parameters of the random transforms of colours. They act on batches of patches, after normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.augmentation.ranges import Numbers, PositiveNumbers
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import NonNegative, Probability
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class Colours(TransformParameters):
    """Base of what needs red, green and blue. Steps that take each channel by itself shift the colours.

    black_to_white: the values of black and white after preprocessing, to which others are cut, [0, 255] for images of
    eight bits as they are; or `sample`, for the least and the greatest value of a sample in all its channels.
    """

    black_to_white: Literal["sample"] | Numbers = "sample"
    probability: Probability = 0.2

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Images with another number of channels, and a white that is black."""
        if len(setting.inputs) != 3:
            yield Flaw(
                setting.place,
                "this augmentation is for colours",
                f"{len(setting.inputs)} channels ({', '.join(setting.inputs)})",
                "three inputs, for red, green and blue",
                remedy="Take it out; `brightness`, `contrast` and `gamma` are for images of any channels",
            )
        if self.black_to_white != "sample" and self.black_to_white[0] == self.black_to_white[1]:
            place, expected = (*setting.place, "black_to_white"), "the value of black, then a greater one for white"
            remedy = "Write `black_to_white: sample`, or the two values that preprocessing leaves"
            yield Flaw(place, "black and white are the same", written(self.black_to_white), expected, remedy=remedy)


class ColorJitter(Colours):
    """Change brightness, contrast, saturation and hue, in this order, of RGB images (torchvision's ColorJitter).

    Each of the first three multiplies by a number between 1 - x and 1 + x; hue turns by up to `hue` of the circle, at
    most 0.5. black_to_white: the values of black and white after preprocessing, to which others are cut, [0, 255] for
    images of eight bits as they are; `sample` takes the ends of a sample in all its channels. Steps that take each
    channel by itself, as `z_normalize` does, shift the colours.
    """

    brightness: Annotated[NonNegative, Field(le=1)] = 0.2
    contrast: Annotated[NonNegative, Field(le=1)] = 0.2
    saturation: Annotated[NonNegative, Field(le=1)] = 0.2
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.05


class Hed(Colours):
    """Change how strongly haematoxylin, eosin and DAB stain (Tellez et al. 2018, doi:10.1109/TMI.2018.2820199).

    Colours are taken apart into the three stains (Ruifrok and Johnston 2001), each is multiplied by a number from
    `factor` and shifted by one from `shift`, in the units of skimage's `rgb2hed`, and they are put together again. For
    `black_to_white` see `color_jitter`; steps that take each channel by itself leave no stains to take apart.
    """

    factor: PositiveNumbers = (0.95, 1.05)
    shift: Numbers = (-0.01, 0.01)


_HOME = "wardround.engine.augmentation.colour"
PARTS = (
    Part(Kind.AUGMENTATION, "color_jitter", ColorJitter, f"{_HOME}:ColorJitterTransform", gandlf=("colorjitter",)),
    Part(Kind.AUGMENTATION, "hed", Hed, f"{_HOME}:HedTransform", gandlf=("hed_transform",)),
)
