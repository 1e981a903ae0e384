"""Where packages that were written for release 0.2.0 import StrategyPart from."""

from wardround.federation.strategies.earlier import StrategyPart

__all__ = ["StrategyPart"]
