"""A strategy at this site: what comes with a task, its half in the training, what is handed over, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wardround.federation.declared import UndeclaredError
from wardround.federation.envelope import Payload
from wardround.federation.guards import GuardError, Schema
from wardround.federation.model_group import MODEL_GROUP, Arrays, model_of
from wardround.federation.payload import PayloadError, pack, unpack
from wardround.federation.protocol import RefusalCode
from wardround.federation.strategies.protocol import Incoming, Sent, SiteHalf, Strategy
from wardround.federation.strategies.sharing import Sharing, largest
from wardround.site_client.agreement.agreement import Refusal

if TYPE_CHECKING:
    from wardround.engine.training import Learner

_BLOB = "strategy"
"""The name under which its state is carried from round to round."""


def half_of(
    strategy: Strategy,
    learner: Learner,
    steps: range,
    shared: Arrays,
    carried: Mapping[str, bytes],
) -> SiteHalf:
    """The half for a round of `steps`, when the network has the incoming weights."""
    kept = unpack(carried[_BLOB]) if _BLOB in carried else {}
    rates = tuple(learner.learning_rate(step) for step in steps)
    return strategy.at_site(Incoming(shared, kept, rates), learner.network)


def blobs_of(sent: Sent) -> dict[str, bytes]:
    """What the half keeps for the next round, as carried state; nothing for one that keeps nothing."""
    return {_BLOB: pack(sent.carried)} if sent.carried else {}


def opened(payload: Payload, form: Schema, sharing: Sharing) -> tuple[Arrays, Arrays]:
    """The model by name without group, and all else that came with a task.

    Raises `Refusal` unless it is what the plan's strategy sends down beside a network of this form.
    """
    try:
        arrays = unpack(payload, largest(sharing.down, form))
        sharing.check_down(arrays, form)
    except (PayloadError, GuardError) as error:
        raise Refusal(RefusalCode.BAD_MODEL, str(error)) from error
    return model_of(arrays), {name: array for name, array in arrays.items() if not name.startswith(MODEL_GROUP)}


def packed(model: Arrays, sent: Sent, form: Schema, sharing: Sharing) -> bytes:
    """The update's bytes: the trained model, by name without group, and what the strategy sends with it.

    What is not as the plan's strategy declares does not even reach the courier (`Refusal`).
    """
    arrays = {MODEL_GROUP + name: array for name, array in model.items()} | dict(sent.shared)
    try:
        sharing.check_up(arrays, form)
        sharing.check_numbers(sent.numbers)
    except (GuardError, UndeclaredError) as error:
        raise Refusal(RefusalCode.REPLY_BLOCKED, str(error)) from error
    return pack(arrays)
