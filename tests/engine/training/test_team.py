"""Several processes that train one network make the steps of one, to rounding; what keeps them from it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.engine.training.fakes import tiny_study
from tests.engine.training.members import HALF, PLAIN, TOTAL, play, the_study
from tests.support.checkout import CHECKOUT
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.together import require_fit_for
from wardround.engine.sampling.share import Share
from wardround.engine.training import CheckpointPlan, Learner
from wardround.engine.training.checkpoint import Checkpoint, Position, packed, unpacked
from wardround.engine.training.team import ALONE, Team, TeamLostError, of_torchrun, own_device
from wardround.lab.processes import free_port


@pytest.fixture
def of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the first of two, as `torchrun` tells it."""
    told = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in told.items():
        monkeypatch.setenv(name, value)


def _beside(*words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"RANK": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *words], env=environment, cwd=CHECKOUT)


def _alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(weight, other[name], atol=2e-6) for name, weight in one.items())


def _checkpoint(path: Path) -> CheckpointPlan:
    """What a process alone wrote after half of the steps."""
    plan = CheckpointPlan(path, identity="a run")
    learner = Learner.create(the_study(), TOTAL, device="cpu")
    from tests.engine.training.members import SharedDiscs

    learner.train(SharedDiscs(the_study(), Share()), 0, HALF, checkpoint=plan)
    return plan


@pytest.mark.usefixtures("of_two")
def test_two_processes_make_the_steps_of_one(tmp_path: Path) -> None:
    """With batches that are gathered, clipping and averaging; with a checkpoint that only the leader can read; and one
    that halts alone does not leave the other waiting."""
    alone, resumed, losses = play(ALONE, _checkpoint(tmp_path / "checkpoint"))
    process = _beside("-m", "tests.engine.training.members", str(tmp_path / "weights"))
    with of_torchrun() as team:
        assert (team.size, team.leads) == (2, True)
        first, second, told = play(team, _checkpoint(tmp_path / "checkpoint"))
    assert process.wait(60) == 1  # it halted after the first step, as the leader did
    assert told == pytest.approx(losses, rel=1e-5)
    assert told[-1] == 1
    start = Learner.create(the_study(), TOTAL, device="cpu").weights()
    assert not _alike(alone.weights(), start)
    assert _alike(alone.weights(), first.weights())
    assert _alike(resumed.weights(), second.weights())
    with alone.averaged(), first.averaged():
        assert _alike(alone.weights(), first.weights())
    # Whoever averages gradients has the same weights to the bit, or would drift apart.
    beside = load_file(tmp_path / "weights")
    assert all(torch.equal(weight, beside[name]) for name, weight in first.weights().items())


@pytest.mark.usefixtures("of_two")
def test_a_process_that_has_gone_ends_the_others_in_words() -> None:
    leaving = "from wardround.engine.training.team import of_torchrun\nwith of_torchrun(): import os; os._exit(9)"
    process = _beside("-c", leaving)
    try:
        with of_torchrun() as team:
            process.wait(60)
            with pytest.raises(TeamLostError, match="another process of this training has ended"):
                team.any(False)
    finally:
        process.wait(60)


def test_shares_of_gathered_batches_are_all_of_each_batch() -> None:
    shares = [Share(rank, 3) for rank in range(3)]
    taken = [[place for place in range(12) if share.takes(place, 6)] for share in shares]
    assert taken == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]


def test_a_checkpoint_that_is_told_is_the_one_that_was_read() -> None:
    position = Position(identity="a run", step=3, loss_sum=0.25, counted=2, note={"best": 1})
    checkpoint = Checkpoint(position, {"weight": torch.rand(2, 3)}, {"weight.step": torch.ones(())})
    again = unpacked(packed(checkpoint))
    assert again.position == position
    assert torch.equal(again.model["weight"], checkpoint.model["weight"])
    assert again.optimizer.keys() == {"weight.step"}


def test_what_would_make_other_steps_is_refused_at_once() -> None:
    norm = PLAIN | {"norm": "batch"}
    loss = {"name": "dice", "batch": True}
    unfit = tiny_study(training={"batch_size": 3, "loss": loss}, model=norm)
    with pytest.raises(InputError) as told:
        require_fit_for(unfit, Team(Share(0, 2)))
    assert [problem.where for problem in told.value.problems] == ["training.batch_size", "training.loss", "model.norm"]
    require_fit_for(unfit, ALONE)
    require_fit_for(the_study(), Team(Share(0, 2)))


def test_each_process_takes_its_own_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert own_device("auto") == "auto"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert [own_device(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:1", "cuda:0", "cpu"]
