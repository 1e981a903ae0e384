"""The loop: stopping and going on changes no bit, wherever it happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import torch_seed
from wardround.engine.sampling.batch import Batch
from wardround.engine.training import CheckpointPlan, DivergedError, Halted, Learner, StepRecord

TOTAL = 10


def _learner(**changes: object) -> Learner:
    return Learner.create(tiny_study(**changes), TOTAL, device="cpu")


def _bytes(learner: Learner) -> bytes:
    return save(learner.weights()) + learner.optimizer_state()


@pytest.fixture(scope="module")
def one_go() -> tuple[bytes, float]:
    learner = _learner()
    loss = learner.train(DiscBatches(learner.study), 0, TOTAL)
    return _bytes(learner), loss


@given(cut=st.integers(0, TOTAL))
@settings(max_examples=TOTAL + 1, deadline=None)
def test_two_parts_with_the_state_carried_by_hand_equal_one_go(one_go: tuple[bytes, float], cut: int) -> None:
    first = _learner()
    first.train(DiscBatches(first.study), 0, cut)
    second = _learner()
    second.load_weights(first.weights())
    second.load_optimizer_state(first.optimizer_state())
    second.train(DiscBatches(second.study), cut, TOTAL)
    assert _bytes(second) == one_go[0]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("killed_after", range(TOTAL))
def test_a_kill_after_any_step_changes_nothing(
    one_go: tuple[bytes, float], tmp_path: Path, every: int, killed_after: int
) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=every)

    def kill(record: StepRecord) -> None:
        if record.step == killed_after:
            raise KeyboardInterrupt

    first = _learner()
    with pytest.raises(KeyboardInterrupt):
        first.train(DiscBatches(first.study), 0, TOTAL, on_step=kill, checkpoint=plan)
    second, source = _learner(), DiscBatches(tiny_study())
    loss = second.train(source, 0, TOTAL, checkpoint=plan)
    assert _bytes(second) == one_go[0]
    assert loss == one_go[1]
    assert sorted(source.read)[0] == killed_after // every * every


@pytest.mark.parametrize("saved", [2, 3])
def test_a_checkpoint_that_lies_not_beyond_the_first_step_is_not_gone_on_with(tmp_path: Path, saved: int) -> None:
    """What the caller has brought to the first step counts, whatever an earlier stretch of the same work has left."""
    earlier, fresh, free = _learner(), _learner(), _learner()
    earlier.train(DiscBatches(earlier.study), 0, saved, checkpoint=CheckpointPlan(tmp_path / "c", "work"))
    source = DiscBatches(fresh.study)
    fresh.train(source, 3, 6, checkpoint=CheckpointPlan(tmp_path / "c", "work"))
    free.train(DiscBatches(free.study), 3, 6)
    assert sorted(source.read)[0] == 3
    assert _bytes(fresh) == _bytes(free)


def test_an_order_to_halt_saves_the_very_step(one_go: tuple[bytes, float], tmp_path: Path) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work")
    seen: list[int] = []
    first = _learner()
    with pytest.raises(Halted) as halted:
        first.train(
            DiscBatches(first.study),
            0,
            TOTAL,
            on_step=lambda record: seen.append(record.step),
            halt=lambda: len(seen) == 4,
            checkpoint=plan,
        )
    assert halted.value.step == 4
    second = _learner()
    assert second.train(DiscBatches(second.study), 0, TOTAL, checkpoint=plan) == one_go[1]
    assert _bytes(second) == one_go[0]


def test_finished_work_is_not_done_again(one_go: tuple[bytes, float], tmp_path: Path) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work")
    first = _learner()
    first.train(DiscBatches(first.study), 0, TOTAL, checkpoint=plan)
    second, source = _learner(), DiscBatches(tiny_study())
    assert second.train(source, 0, TOTAL, checkpoint=plan) == one_go[1]
    assert source.read == []
    assert _bytes(second) == one_go[0]


def test_a_checkpoint_of_other_work_is_not_taken_up(one_go: tuple[bytes, float], tmp_path: Path) -> None:
    first = _learner(seed=1)
    first.train(DiscBatches(first.study), 0, 5, checkpoint=CheckpointPlan(tmp_path / "c", "other"))
    second = _learner()
    second.train(DiscBatches(second.study), 0, TOTAL, checkpoint=CheckpointPlan(tmp_path / "c", "work"))
    assert _bytes(second) == one_go[0]


def test_the_surroundings_have_no_influence_and_feel_none(one_go: tuple[bytes, float]) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    learner = _learner()
    learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=lambda record: torch.rand(3).sum().item())
    assert _bytes(learner) == one_go[0]
    assert torch.equal(before, torch.get_rng_state())


def test_evaluating_between_steps_changes_nothing(one_go: tuple[bytes, float]) -> None:
    learner = _learner()

    def evaluate(record: StepRecord) -> None:
        learner.network.eval()
        with torch.inference_mode():
            learner.network(torch.randn(1, 1, 16, 16))

    learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=evaluate)
    assert _bytes(learner) == one_go[0]


def test_steps_are_told_with_the_schedules_rate() -> None:
    learner, records = _learner(), list[StepRecord]()
    mean = learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=records.append)
    assert [record.step for record in records] == list(range(TOTAL))
    assert [record.learning_rate for record in records] == [learner.learning_rate(step) for step in range(TOTAL)]
    assert records[0].learning_rate == pytest.approx(1e-2)
    assert mean == sum(record.loss for record in records) / TOTAL


def test_training_lowers_the_loss() -> None:
    learner = Learner.create(tiny_study(model={"name": "unet", "dimensions": 2, "levels": 2}), 60, device="cpu")
    source = DiscBatches(learner.study)
    first = learner.train(source, 0, 5)
    learner.train(source, 5, 55)
    assert learner.train(source, 55, 60) < 0.6 * first


def test_clipping_bounds_a_steps_gradient() -> None:
    free, clipped = _learner(), _learner(training={"gradient_clip": 1e-6})
    for learner in (free, clipped):
        learner.train(DiscBatches(learner.study), 0, 1)
    total = sum(float(weight.grad.square().sum()) for weight in clipped.network.parameters() if weight.grad is not None)
    assert total**0.5 <= 1.01e-6
    assert _bytes(free) != _bytes(clipped)


class _Poisoned(DiscBatches):
    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        return replace(batch, image=batch.image * float("nan")) if step == 3 else batch


def test_a_loss_that_is_no_number_names_the_step_and_the_cases(tmp_path: Path) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=1)
    learner = _learner(augmentation=[])
    with pytest.raises(DivergedError, match=r"step 3, cases 000000000000.*the loss is nan"):
        learner.train(_Poisoned(learner.study), 0, TOTAL, checkpoint=plan)
    position = _learner().resume(plan)
    assert position is not None
    assert position.step == 3


def test_steps_outside_the_horizon_are_a_mistake_of_the_caller() -> None:
    learner = _learner()
    with pytest.raises(ValueError, match="horizon"):
        learner.train(DiscBatches(learner.study), 0, TOTAL + 1)


def test_a_state_that_is_no_tensor_file_is_refused() -> None:
    with pytest.raises(InputError, match="not a safetensors file"):
        _learner().load_optimizer_state(b"pickle")


def test_bf16_trains_and_keeps_fp32_weights() -> None:
    learner = _learner(training={"precision": "bf16"})
    learner.train(DiscBatches(learner.study), 0, 2)
    assert {tensor.dtype for tensor in learner.weights().values()} == {torch.float32}


@pytest.mark.parametrize("start", [0, 4])
def test_each_step_has_a_seed_of_its_own(start: int) -> None:
    learner, seeds = _learner(), list[int]()
    learner.network.register_forward_pre_hook(lambda *_: seeds.append(torch.initial_seed()))
    learner.train(DiscBatches(learner.study), start, TOTAL)
    assert seeds == [torch_seed(learner.study.seed, "step", step) for step in range(start, TOTAL)]
    assert len({*seeds, torch_seed(learner.study.seed + 1, "step", start)}) == TOTAL - start + 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("saving", [True, False])
def test_weights_that_the_last_step_spoiled_are_neither_saved_nor_handed_on(
    tmp_path: Path, value: float, saving: bool
) -> None:
    learner = _learner()

    def spoil(record: StepRecord) -> None:
        if record.step == TOTAL - 1:
            with torch.no_grad():
                list(learner.network.parameters())[-1].view(-1)[-1] = value

    plan = CheckpointPlan(tmp_path / "c", "work") if saving else None
    with pytest.raises(DivergedError, match=rf"step {TOTAL}.*the weights of .* are not finite"):
        learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=spoil, checkpoint=plan)
    assert not (tmp_path / "c").exists()


def test_weights_that_are_no_numbers_do_not_replace_a_sound_checkpoint(tmp_path: Path) -> None:
    learner, plan = _learner(), CheckpointPlan(tmp_path / "c", "work", every_steps=1)

    def spoil(record: StepRecord) -> None:
        if record.step == 3:
            with torch.no_grad():
                next(learner.network.parameters()).view(-1)[0] = float("nan")

    with pytest.raises(DivergedError, match=r"step 4.*the weights of .* are not finite"):
        learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=spoil, checkpoint=plan)
    position = _learner().resume(plan)
    assert position is not None
    assert position.step == 3
