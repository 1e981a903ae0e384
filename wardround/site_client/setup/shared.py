"""What a plan's strategy is, and what it sends to a site and takes from it, in plain words."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from wardround.engine.basics.printable import printable
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.sharing import WEIGHTS, Group, Number
from wardround.site_client.agreement.agreement import Agreement

_MODEL_WEIGHTS = "model weights"


def strategy_lines(agreement: Agreement) -> tuple[str, ...]:
    """Lines for people. Raises `InputError` where the strategy is not installed here."""
    use = StrategyUse.of(agreement.plan.strategy)
    told = (inspect.getdoc(type(use.parameters)) or use.name).partition("\n")[0]
    return (
        f"Strategy     {printable(told)}",
        f"Arrives      {', '.join(sent_down(agreement))} before each round",
    )


def sent_down(agreement: Agreement) -> tuple[str, ...]:
    """What arrives before a round."""
    return _words(agreement.strategy.sharing.down)


def sent_up(agreement: Agreement) -> tuple[str, ...]:
    """What leaves after a round: tensors, and numbers that the strategy declares."""
    sharing = agreement.strategy.sharing
    return (*_words(sharing.up), *_words(sharing.numbers))


def _words(shared: Iterable[Group | Number]) -> tuple[str, ...]:
    return tuple(_MODEL_WEIGHTS if each == WEIGHTS else printable(each.what) for each in shared)
