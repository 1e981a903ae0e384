"""What a study lets be done with DICOM series that are not as they should be; without its word they are refused."""

from __future__ import annotations

from typing import Literal

from wardround.engine.basics.closed import Section

Laying = Literal["refuse", "resample"]
"""Of slices that make no grid."""


class Dicom(Section):
    """What is done with DICOM series that are not as they should be. Without a word of the study they are refused.

    uneven: `resample` interpolates slices at uneven distances linearly to the usual one. tilt: `resample` shears slices
    of a tilted gantry back onto a grid with right angles. What that makes is as `wardround dicom --resample` writes it;
    a mask gets the nearest voxel of the nearest slice, and a predicted DICOM-SEG lies on the slices that were scanned.
    burned_in: `accept` reads images whose header says that text is burned into the pixels, which may name the patient.
    """

    uneven: Laying = "refuse"
    tilt: Laying = "refuse"
    burned_in: Literal["refuse", "accept"] = "refuse"

    @property
    def resamples(self) -> bool:
        """Whether any series may be laid onto another grid than that of its slices."""
        return "resample" in (self.uneven, self.tilt)


REFUSING = Dicom()
"""What holds without a word of the study."""
