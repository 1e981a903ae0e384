"""Files that a study needs and does not hold: a name and a SHA-256 each. Where they lie is no part of a study."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.basics.closed import Section

_EXAMPLE = "0" * 64


class Asset(Section):
    """A file by its name and its content.

    asset: the name by which `--asset NAME=PATH` of a command, or `assets` of a site file, says where it lies. sha256:
    that of its bytes, as `sha256sum` prints it, so that the study's digest stands for the file as well.
    """

    asset: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["pretrained"])]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=[_EXAMPLE])]
