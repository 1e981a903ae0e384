"""Where packages that were written for release 0.2.0 import Arrays, Fold, Folded, Strategy from."""

from wardround.federation.strategies.protocol import Arrays, Fold, Folded, Strategy

__all__ = ["Arrays", "Fold", "Folded", "Strategy"]
