"""Parameters of the networks of tables alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, flow
from wardround.engine.parts.networks.network import WHOLE_IMAGE_TASKS
from wardround.engine.parts.part import Kind, Parameters, Part
from wardround.engine.parts.setting import Setting


class TableNetworkParameters(Parameters):
    """Base of the parameters of a network that is given features of a table, (samples, features), and no image."""

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Images, which it does not see; or no columns."""
        if setting.inputs:
            what, expected = "this network sees columns of the table and no images", "`inputs: []`"
            remedy = "Write `inputs: []`, or name a network for images in `model`, which columns are joined to"
            yield Flaw(("inputs",), what, flow(list(setting.inputs)), expected, remedy=remedy)
        if not setting.columns:
            what, remedy = "this network sees columns of the table", "Write for example `columns: {age: number}`"
            yield Flaw(("columns",), what, "none", "one column or more", remedy=remedy)


class Linear(TableNetworkParameters):
    """One weight for each feature and output, and a constant: logistic, Cox or linear regression, as loss and task say.

    All begin at zero. The optimiser's `weight_decay` keeps them small where features are many and cases few.
    """


class Dense(TableNetworkParameters):
    """Multilayer perceptron (Rumelhart et al. 1986): layers of so many units with ReLU and dropout between them."""

    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)] = (64, 32)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


def sees_table_alone(parameters: Parameters) -> bool:
    """Whether a network with these parameters is one of tables."""
    return isinstance(parameters, TableNetworkParameters)


_HOME = "wardround.engine.networks.tabular"
PARTS = (
    Part(Kind.NETWORK, "linear", Linear, f"{_HOME}:build_linear", WHOLE_IMAGE_TASKS),
    Part(Kind.NETWORK, "dense", Dense, f"{_HOME}:build_dense", WHOLE_IMAGE_TASKS),
)
