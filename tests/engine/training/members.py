"""What each process of a team does in a test: `play` in this one and, as a program, in those beside it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.sampling.batch import Batch
from wardround.engine.sampling.share import Share
from wardround.engine.study import Study
from wardround.engine.training import CheckpointPlan, Halted, Learner
from wardround.engine.training.team import Team, of_torchrun

TOTAL = 6
HALF = 3
PLAIN = {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2, "norm": "instance"}
"""Without dropout, of which each process has its own draws."""


def the_study() -> Study:
    """Two batches of four samples make a step; gradients are clipped and weights averaged."""
    training: dict[str, Any] = {"batch_size": 4, "accumulate": 2, "gradient_clip": 0.5, "ema": 0.9}
    return tiny_study(training=training | {"optimizer": {"name": "sgd", "learning_rate": 0.1}}, model=PLAIN)


class SharedDiscs(DiscBatches):
    """The samples of a share of each step."""

    def __init__(self, study: Study, share: Share) -> None:
        whole = study.training.model_copy(update={"batch_size": study.training.samples_per_step})
        super().__init__(study.model_copy(update={"training": whole}))
        self._share, self._together = share, study.training.batch_size

    def batch(self, step: int) -> Batch:
        """The samples of a step that are the share's."""
        whole = super().batch(step)
        places = [place for place in range(len(whole.keys)) if self._share.takes(place, self._together)]
        truth = {name: tensor[places] for name, tensor in whole.truth.items()}
        return replace(whole, keys=tuple(whole.keys[place] for place in places), image=whole.image[places], truth=truth)


def play(team: Team, checkpoint: CheckpointPlan | None) -> tuple[Learner, Learner, list[float]]:
    """Train from the start in two stretches, then, another time, from where the leader's checkpoint is; halt a third
    one. Returns the first two learners, and the losses of the first."""
    study = the_study()
    source = SharedDiscs(study, team.share)
    first, second, third = (Learner.create(study, TOTAL, device="cpu", team=team) for _ in range(3))
    losses = [first.train(source, 0, HALF), first.train(source, HALF, TOTAL)]
    second.train(source, 0, TOTAL, checkpoint=checkpoint if team.leads else None)
    try:
        third.train(source, 0, TOTAL, halt=lambda: team.leads)
    except Halted as halted:
        losses.append(halted.step)
    return first, second, losses


def main() -> None:
    """Play as one of a team, and write what became of the weights."""
    from safetensors.torch import save_file

    with of_torchrun() as team:
        first, _, losses = play(team, None)
    save_file(first.weights(), Path(sys.argv[1]))
    sys.exit(int(losses[-1]))


if __name__ == "__main__":
    main()
