"""The strategies of this installation: rows of the same registry that has a study's parts."""

from __future__ import annotations

from functools import cache

from wardround.engine.parts import Kind, Part, Registry, builtin_and_plugins
from wardround.federation.strategies.earlier import earlier_plugins
from wardround.federation.strategies.fedavg import FedAvgParameters
from wardround.federation.strategies.fedprox import FedProxParameters
from wardround.federation.strategies.scaffold import ScaffoldParameters

_HOME = "wardround.federation.strategies"
BUILTIN = (
    Part(Kind.STRATEGY, "fedavg", FedAvgParameters, f"{_HOME}.fedavg:FedAvg"),
    Part(Kind.STRATEGY, "fedprox", FedProxParameters, f"{_HOME}.fedprox:FedProx"),
    Part(Kind.STRATEGY, "scaffold", ScaffoldParameters, f"{_HOME}.scaffold:Scaffold"),
)


@cache
def strategies() -> Registry:
    """The registry of this installation with Wardround's own strategies, and those of packages written for 0.2.0.

    Other packages add strategies as they add parts: rows of `Kind.STRATEGY` in the entry point group `wardround.parts`.
    """
    earlier, broken = earlier_plugins()
    return builtin_and_plugins().extended((*BUILTIN, *earlier), broken)
