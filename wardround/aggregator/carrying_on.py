"""`aggregator continue`: a training goes on under a new plan, with more rounds or another roster."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML

from wardround.aggregator.coordination import Coordination, load_coordination
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitting import is_fitted
from wardround.engine.study import study_to_bytes
from wardround.federation.differences import Terms, differences
from wardround.federation.protocol import Continuation, Plan


@dataclass(frozen=True)
class CarriedOn:
    """What was agreed anew: the federation under its new plan, and in what that differs from the plan before."""

    coordination: Coordination
    changes: tuple[str, ...]
    rounds_done: int

    @property
    def surveys_anew(self) -> bool:
        """Whether the sites' training cases are asked about under the new plan: where nothing is trained yet."""
        return not self.rounds_done and is_fitted(self.coordination.study)


def carry_on(config: Path, rounds: int | None = None) -> CarriedOn:
    """Give the run of a federation file a new plan from what the file and the roster say now.

    What was learned stays: models, history, the best, and what the sites carry. A round that is open begins anew;
    where none is done, so does the survey of a study that fits its preprocessing.

    Args:
        rounds: of the whole training, those that are done included; None for what the file says.

    Raises:
        InputError: nothing was run yet, nothing has changed, the run goes on at present, or something has changed that
            one training cannot change.
    """
    found = load_coordination(config)
    state = StateFolder(found.folders.state)
    wanted = found if rounds is None else _with_rounds(found, rounds)
    with state.locked():
        held = state.pinned()
        if held is None or not state.has_begun:
            raise _nothing_yet(state)
        trained = [result for result in state.results() if result.trained]
        new = replace(wanted, after=_continuation(held, trained))
        changes = _changes(state, held, new, len(trained))
        if rounds is not None:
            write_rounds(config, rounds)
        state.carry_on(new.plan, new.study, new.roster, len(trained))
        journal = Journal(state.journal_path, lambda entry: None)
        journal.record(Event.RUN_CARRIED_ON, plan=new.plan.digest, rounds=len(trained), detail="; ".join(changes))
    return CarriedOn(new, changes, len(trained))


def write_rounds(config: Path, rounds: int) -> None:
    """Set the number of rounds in a federation file, whose comments stay."""
    mode, editor = config.stat().st_mode & 0o777, YAML()
    content = editor.load(config.read_text())
    content["horizon"]["rounds"] = rounds
    text = io.StringIO()
    editor.dump(content, text)
    write_atomic(config, text.getvalue().encode())
    config.chmod(mode)


def _with_rounds(found: Coordination, rounds: int) -> Coordination:
    horizon = found.settings.horizon.model_copy(update={"rounds": rounds})
    return replace(found, settings=found.settings.model_copy(update={"horizon": horizon}))


def _continuation(held: Plan, trained: list[RoundResult]) -> Continuation | None:
    """What the new plan carries on. A plan under which no round was finished is replaced as if it had not been."""
    if not trained:
        return None
    if held.after is not None and held.after.rounds == len(trained):
        return held.after
    return Continuation(plan=held.digest, rounds=len(trained), model=trained[-1].model)


def _changes(state: StateFolder, held: Plan, new: Coordination, done: int) -> tuple[str, ...]:
    plan, place = new.plan, str(state.root)
    terms = Terms(_bare(plan), study_to_bytes(new.study).decode(), new.roster)
    fixed = {"federation", "study", "strategy", "fold", "initial"}
    unlike = plan.model_copy(
        update={name: getattr(held, name) for name in type(plan).model_fields if name not in fixed}
        | {"horizon": held.horizon.model_copy(update={"local_steps": plan.horizon.local_steps}), "after": None}
    )
    forbidden = differences(replace(state.held_terms(held), plan=_bare(held)), replace(terms, plan=unlike))
    if forbidden:
        raise InputError.one(
            f"a training is not carried on with {'; '.join(forbidden)}",
            where=place,
            remedy="Undo that, or begin another training from this model: `initial: results/last` in a federation of "
            "its own",
        )
    changes = differences(replace(state.held_terms(held), plan=_bare(held)), terms)
    if not changes:
        raise InputError.one(
            "nothing has changed that would need a new plan",
            where=place,
            remedy="Give `--rounds`, or change the roster with `enroll`, `remove` or `replace`",
        )
    if plan.horizon.rounds <= done:
        raise InputError.one(
            "the new plan has no round left",
            where=place,
            got=f"{plan.horizon.rounds} rounds",
            expected=f"more than the {done} that are done",
            remedy="Give `--rounds`: those of the whole training",
        )
    return changes


def _bare(plan: Plan) -> Plan:
    return plan.model_copy(update={"after": None})


def _nothing_yet(state: StateFolder) -> InputError:
    return InputError.one(
        "there is nothing to carry on yet: no round has begun",
        where=str(state.root),
        remedy="What you change now is simply the plan: `aggregator invite`, and have the sites accept",
    )
