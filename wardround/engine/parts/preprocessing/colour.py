"""Parameters of the steps that bring pixels to known numbers, and colours to those of a reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.channels import other_number
from wardround.engine.parts.preprocessing.intensity import IntensityParameters
from wardround.engine.parts.setting import Setting

PIXELS = (0.0, 255.0)
"""Of colours in files of 8 bits for each."""
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Stain = tuple[Share, Share, Share]
"""How much of red, green and blue a stain absorbs."""


class NormalizeByValue(IntensityParameters):
    """Subtract `mean` and divide by `deviation`: the same in every case, one number or one for each channel."""

    mean: Annotated[float | tuple[float, ...], Field(examples=[127.5])]
    deviation: Annotated[Positive | tuple[Positive, ...], Field(examples=[127.5])]

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of values than there are channels."""
        yield from super().flaws(setting)
        names = self.channels or setting.inputs
        for key, values in (("mean", self.mean), ("deviation", self.deviation)):
            if isinstance(values, tuple) and len(values) != len(names):
                place, expected = (*setting.place, key), f"one for each of {', '.join(names)}"
                remedy = "Write one number for all, or one for each channel"
                yield Flaw(place, "the values are not those of the channels", f"{len(values)}", expected, remedy=remedy)

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class Divide(IntensityParameters):
    """Divide intensities by a number, by default so that pixels of 8 bits run from 0 to 1."""

    shorthand: ClassVar[str | None] = "by"
    by: Positive = 255.0

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class ColourParameters(IntensityParameters):
    """Base of the parameters of a step that works on red, green and blue together, in that order."""

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of channels."""
        yield from super().flaws(setting)
        yield from other_number(setting, self.channels, 3, "this step needs red, green and blue")


class NormalizeImagenet(ColourParameters):
    """Bring colours to those on which networks are trained with ImageNet: mean 0 and deviation 1 of its photographs.

    Divides by `white`, the brightest value a pixel can have; then subtracts (0.485, 0.456, 0.406) and divides by
    (0.229, 0.224, 0.225). GaNDLF's step does not divide: `white: 1` for pixels that run from 0 to 1 already.
    """

    shorthand: ClassVar[str | None] = "white"
    white: Positive = 255.0

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class Grayscale(ColourParameters):
    """Replace each of red, green and blue by the grey of the pixel: 0.299 red + 0.587 green + 0.114 blue (Rec. 601).

    The study keeps its three inputs, which are alike.
    """


class StainNormalization(ColourParameters):
    """Bring the two stains of a histological image to the colours and strengths of a reference.

    `macenko` finds the stains of each image as the extremes of its plane of optical densities (Macenko et al. 2009,
    doi:10.1109/ISBI.2009.5193250), `vahadane` as a sparse factorisation that begins there (Vahadane et al. 2016,
    doi:10.1109/TMI.2016.2529665); `ruifrok` takes them as known, haematoxylin and eosin (Ruifrok and Johnston 2001).
    The reference is two rows, the optical densities of haematoxylin and of eosin in red, green and blue, and how strong
    each is at its 99th percentile; by default those published with Macenko's method. `light` is the brightness of the
    bare slide.

    An image in which no two stains can be told apart, as one of the bare slide, is refused by name, or with
    `blank: keep` stays as it is: nothing is left out unless the study says so. Pixels are from 0 to 255, before any
    step that rescales.
    """

    shorthand: ClassVar[str | None] = "method"
    method: Literal["macenko", "vahadane", "ruifrok"] = "macenko"
    stains: tuple[Stain, Stain] = ((0.5626, 0.7201, 0.4062), (0.2159, 0.8012, 0.5581))
    strengths: tuple[Positive, Positive] = (1.9705, 1.0308)
    light: Annotated[float, Field(ge=100, le=255)] = 240.0
    least_density: Annotated[float, Field(gt=0, le=2)] = 0.15
    blank: Literal["error", "keep"] = "error"

    @model_validator(mode="after")
    def _two_stains(self) -> Self:
        (a, b, c), (d, e, f) = self.stains
        if max(abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)) < 1e-3:
            raise unfit(
                "the two stains of the reference have one colour",
                got="rows that point the same way",
                expected="the optical densities of two stains",
                remedy="Write those of haematoxylin first and those of eosin second, or leave `stains` out",
            )
        return self

    @property
    def pixels(self) -> tuple[float, float]:
        """Of 8 bits."""
        return PIXELS


_HOME = "wardround.engine.preprocessing.colour"
_BY_VALUE = ("normalize_by_val", "normalize_standardize")
PARTS = (
    Part(Kind.PREPROCESSING, "normalize_by_value", NormalizeByValue, f"{_HOME}:NormalizeByValueStep", gandlf=_BY_VALUE),
    Part(Kind.PREPROCESSING, "divide", Divide, f"{_HOME}:DivideStep", gandlf=("normalize_div_by_255",)),
    Part(
        Kind.PREPROCESSING,
        "normalize_imagenet",
        NormalizeImagenet,
        f"{_HOME}:NormalizeImagenetStep",
        gandlf=("normalize_imagenet",),
    ),
    Part(Kind.PREPROCESSING, "grayscale", Grayscale, f"{_HOME}:GrayscaleStep"),
    Part(
        Kind.PREPROCESSING,
        "stain_normalization",
        StainNormalization,
        "wardround.engine.preprocessing.stains:StainNormalizationStep",
        gandlf=("stain_normalization",),
    ),
)
