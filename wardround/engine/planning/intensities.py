"""Rules on intensities: which channels are computed tomography, and how each is normalised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wardround.engine.basics.flaws import flow
from wardround.engine.planning.decision import Decision
from wardround.engine.planning.fingerprint import ChannelPrint, Fingerprint
from wardround.engine.planning.sizes import usual

_AIR, _NO_TABLE = -900.0, -33_000.0
_SHARE_OF_AIR = 0.05
_MUCH_IS_CUT = 0.75
"""An image of which less is left when it is cut to its box stands in zeros, which say nothing of its intensities."""


def tomographic(print_: Fingerprint) -> Decision[tuple[bool, ...]]:
    """Which channels are in Hounsfield units: whole numbers that reach down to air, in bodies."""
    found = tuple(print_.is_body and _is_tomographic(each, print_.cases) for each in print_.channels)
    ranges = ", ".join(_range(each) for each in print_.channels)
    unit = "as in computed tomography" if any(found) else "which are no Hounsfield units of a body amid air"
    return Decision(found, f"Values run {ranges}, {unit}")


def _is_tomographic(channel: ChannelPrint, cases: int) -> bool:
    if channel.range.low is None or channel.whole_numbers < cases:
        return False
    is_air = channel.everywhere.around(_SHARE_OF_AIR)[0] <= _AIR
    return is_air and channel.range.low > _NO_TABLE


def _range(channel: ChannelPrint) -> str:
    return f"from {channel.range.low:g} to {channel.range.high:g}"


def normalised(
    print_: Fingerprint, inputs: Sequence[str], tomography: Sequence[bool]
) -> Iterator[Decision[tuple[str, ...]]]:
    """The steps that normalise intensities, for the two kinds of channels."""
    scanned = [name for name, is_ct in zip(inputs, tomography, strict=True) if is_ct]
    others = [name for name, is_ct in zip(inputs, tomography, strict=True) if not is_ct]
    if scanned:
        only = f", channels: {flow(scanned)}" if others else ""
        within = "foreground" if print_.classes else "all"
        steps = (
            f"cohort_clip: {{percentiles: [0.5, 99.5], within: {within}{only}}}",
            f"cohort_normalize: {{within: {within}{only}}}",
        )
        whose = "the structures" if print_.classes else "all voxels"
        reason = f"A Hounsfield unit means the same in every scanner: one scale for all cases, of {whose}"
        yield Decision(steps, reason)
    if others:
        only = f", channels: {flow(others)}" if scanned else ""
        yield _by_case(print_, only)


def _by_case(print_: Fingerprint, only: str) -> Decision[tuple[str, ...]]:
    kept = usual(print_.kept)
    if kept < _MUCH_IS_CUT:
        reason = f"Each case by itself, and without its zeros: the box of what is not 0 is {kept:.0%} of a case"
        return Decision((f"z_normalize: {{within: nonzero{only}}}",), reason)
    reason = "Each case by itself: such intensities have no unit that all scanners share"
    return Decision((f"z_normalize: {{within: all{only}}}",), reason)
