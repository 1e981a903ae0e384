"""What a plan's strategy is, and what it sends to a site and takes from it, in plain words."""

from __future__ import annotations

import inspect

from wardround.engine.basics.printable import printable
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.sharing import in_words
from wardround.site_client.agreement.agreement import Agreement


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
    return in_words(agreement.strategy.sharing.down)


def sent_up(agreement: Agreement) -> tuple[str, ...]:
    """What leaves after a round: tensors, and numbers that the strategy declares."""
    sharing = agreement.strategy.sharing
    return (*in_words(sharing.up), *in_words(sharing.numbers))
