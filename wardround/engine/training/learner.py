"""The training loop: the only one. Local runs, folds and federated rounds call it.

A step is a pure function of the weights, the optimiser's state, the study and the step's number: its samples, its
augmentation, its learning rate and its random seed all derive from them. So a loop may stop and go on at any step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
from pydantic import JsonValue
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import torch_seed
from wardround.engine.networks.precision import Precision, autocast, resolve_precision
from wardround.engine.parts import Kind, answering
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling import Batch, BatchSource
from wardround.engine.study import Study
from wardround.engine.tasks import Task, build_task
from wardround.engine.training.allocation import memory_kept
from wardround.engine.training.averaging import PREFIX, Average
from wardround.engine.training.checkpoint import (
    Checkpoint,
    CheckpointPlan,
    Position,
    load_checkpoint,
    packed,
    save_checkpoint,
    unpacked,
)
from wardround.engine.training.clipping import clip_gradients
from wardround.engine.training.feed import Copied, Feed, feed
from wardround.engine.training.hooks import NO_HOOK, StepHook
from wardround.engine.training.late import LateLosses, Made, StepRecord, diverged
from wardround.engine.training.layout import laid_out, lies_last
from wardround.engine.training.optimizers import build_optimizer, optimizer_tensors, restore_optimizer
from wardround.engine.training.precision import reproducible, resolve_device
from wardround.engine.training.schedules import rate_factor
from wardround.engine.training.team import ALONE, Team
from wardround.engine.training.weights import copy_weights, put_weights


class Halted(KeyboardInterrupt):
    """The loop was told to halt: an interruption of which, with a checkpoint plan, all up to `step` is saved."""

    def __init__(self, step: int) -> None:
        super().__init__(f"halted before step {step}")
        self.step = step


def ignore_step(record: StepRecord) -> None:
    """Watch no step."""


def never() -> bool:
    """Do not halt."""
    return False


class Learner:
    """A network, its optimiser and its schedule over a horizon of `total_steps`.

    `rate_scale` multiplies every learning rate: what a schedule that follows validations makes of them, which a learner
    knows nothing of. Whoever trains a stretch sets it.
    """

    def __init__(
        self,
        study: Study,
        task: Task,
        total_steps: int,
        device: torch.device,
        precision: Precision,
        team: Team = ALONE,
    ) -> None:
        self.study, self.task, self.total_steps, self.device = study, task, total_steps, device
        self._team, self._is_alike = team, team.size == 1
        self.precision = resolve_precision(precision, device)
        self.network: nn.Module = task.network().to(device)
        self._lies_last = lies_last(study, device, self.precision)
        self._optimizer = build_optimizer(study, self.network.parameters())
        # A gradient that cannot be taken is the loss's, unless only the network comes from another package.
        parts = (study.training.loss.part(Kind.LOSS), study.model.part(Kind.NETWORK))
        self._differentiated = next((part for part in parts if part.package), parts[0]).owner
        self._stepping = study.training.optimizer.part(Kind.OPTIMIZER).owner
        decay = study.training.ema
        self._average = None if decay is None else Average(self.network, decay)
        self.rate_scale = 1.0
        self._rates = tuple(float(group["lr"]) for group in self._optimizer.param_groups)
        self._factor = rate_factor(study)

    @classmethod
    def create(
        cls,
        study: Study,
        total_steps: int,
        *,
        device: str = "auto",
        precision: Precision | None = None,
        state: FittedState = EMPTY,
        team: Team = ALONE,
    ) -> Learner:
        """A learner with the study's initial weights; `precision` replaces the study's, `state` is what was fitted to
        the training cases, and `team` the processes that train with this one. Raises `InputError`."""
        chosen = study.training.precision if precision is None else precision
        return cls(study, build_task(study, state), total_steps, resolve_device(device), chosen, team)

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights on the CPU, in the order of `state_dict`."""
        return copy_weights(self.network)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the weights; the optimiser's state stays. Raises `InputError` unless every tensor fits."""
        put_weights(self.network, weights)

    def optimizer_state(self) -> bytes:
        """The optimiser's tensors, step counts included, as safetensors bytes."""
        return save(self._state())

    def load_optimizer_state(self, content: bytes) -> None:
        """Put back the bytes of `optimizer_state`. Raises `InputError` unless they fit."""
        try:
            tensors = load(content)
        except SafetensorError:
            raise InputError.one("the optimiser's state is not a safetensors file") from None
        self._restore_state(tensors)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """What is to be validated and saved has its weights in the network while the block runs: their moving average
        where the study asks for one, else the weights themselves."""
        with nullcontext() if self._average is None else self._average.in_place():
            yield

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step (of the first group of parameters)."""
        return self._rates[0] * self._factor(step, self.total_steps) * self.rate_scale

    def resume(self, plan: CheckpointPlan) -> Position | None:
        """Load the plan's newest whole checkpoint, if there is one; returns where it stands."""
        checkpoint = load_checkpoint(plan.path, plan.identity)
        if checkpoint is None:
            return None
        self._restore(checkpoint)
        return checkpoint.position

    def save(self, plan: CheckpointPlan, position: Position) -> None:
        """Write a checkpoint of the present weights and optimiser, durably."""
        began = plan.pace.clock()
        checkpoint = Checkpoint(position, self.weights(), self._state())
        save_checkpoint(plan.path, checkpoint)
        plan.on_saved(position.step)
        plan.pace.saved(began)

    def train(
        self,
        source: BatchSource,
        start: int,
        stop: int,
        *,
        on_step: Callable[[StepRecord], None] = ignore_step,
        halt: Callable[[], bool] = never,
        checkpoint: CheckpointPlan | None = None,
        hook: StepHook = NO_HOOK,
    ) -> float:
        """Run the steps from `start` up to, not including, `stop`, each joined by `hook`; returns their mean loss.

        With a checkpoint plan, work of the same identity that a checkpoint between `start` and `stop` holds is not
        done again: the loop goes on there, and the mean still covers all steps. The last step is saved too, unless
        checkpoints have cost too much: then an interruption before the caller is done costs the steps since the last.

        Raises:
            InputError: a case cannot be read, or `DivergedError` where the loss is not finite.
            Halted: `halt` said so after a step; a checkpoint of that step was saved first.
        """
        position = self._beginning(start, stop, checkpoint)
        loop = _Loop(self, checkpoint, position, on_step)
        with (
            memory_kept(),
            reproducible(self.device),
            feed(self.study, source, position.step, stop, self.device) as batches,
        ):
            for step in range(position.step, stop):
                loop.made(self._step(step, batches, loop.losses, hook))
                halted = step + 1 < stop and self._team.any(halt())
                if halted or loop.is_due(step + 1):
                    loop.save()
                if halted:
                    raise Halted(step + 1)
            loop.read_all()
        self._check_weights(stop)
        loop.finish(halted=halt())
        return loop.position.loss_sum / max(1, loop.position.counted)

    def _beginning(self, start: int, stop: int, plan: CheckpointPlan | None) -> Position:
        if not 0 <= start <= stop <= self.total_steps:
            raise ValueError(f"steps {start} to {stop} do not lie within the horizon of {self.total_steps}")
        fresh = Position(identity="" if plan is None else plan.identity, step=start)
        found = None if plan is None else load_checkpoint(plan.path, plan.identity, range(start + 1, stop + 1))
        found = self._agreed(found, fresh)
        if found is None:
            return fresh
        self._restore(found)
        return found.position

    def _agreed(self, found: Checkpoint | None, fresh: Position) -> Checkpoint | None:
        """The checkpoint at which the whole team goes on: the leader's, which it may have read before, or none where
        all are alike already."""
        if self._team.size == 1:
            return found
        if found is None and not self._is_alike:
            found = Checkpoint(fresh, self.weights(), self._state())
        told = self._team.tell(packed(found) if found is not None and self._team.leads else b"")
        self._is_alike = True
        return unpacked(told) if told else None

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.load_weights(checkpoint.model)
        self._restore_state(checkpoint.optimizer)

    def _state(self) -> dict[str, Tensor]:
        """All that a step depends on beside the weights, and their average, if there is one."""
        average = {} if self._average is None else self._average.tensors()
        return {**optimizer_tensors(self._optimizer), **average}

    def _restore_state(self, tensors: Mapping[str, Tensor]) -> None:
        average = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
        restore_optimizer(self._optimizer, {name: tensors[name] for name in tensors if name not in average})
        if self._average is not None:
            self._average.restore(average)

    def _step(self, step: int, batches: Feed[Batch] | Feed[Copied], losses: LateLosses, hook: StepHook) -> Made:
        began = time.perf_counter()
        batch = batches.next()
        waited = time.perf_counter() - began
        factor = self._factor(step, self.total_steps) * self.rate_scale
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        torch.manual_seed(torch_seed(self.study.seed, "step", step, *self._own_stream))
        self._descend(step, batch, losses, hook)
        if self._average is not None:
            self._average.follow(step)
        return Made(step, self._rates[0] * factor, time.perf_counter() - began, waited)

    @property
    def _own_stream(self) -> tuple[int, ...]:
        """What makes other random numbers of each process of a team; nothing for the first of them."""
        return () if self._team.leads else (self._team.share.rank,)

    def _descend(self, step: int, batch: Batch, losses: LateLosses, hook: StepHook) -> None:
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        self._differentiate(step, batch, losses, hook)
        self._team.combine(self.network.parameters())
        clip_gradients(self.study.training, self.network.parameters())
        hook.before_update(self.network)
        with answering(self._stepping):
            self._optimizer.step()
        hook.after_step(self.network)

    def _differentiate(self, step: int, batch: Batch, losses: LateLosses, hook: StepHook) -> None:
        """The gradient of the mean loss of all samples, batch by batch: the graph of one at a time is held."""
        *first, last = self._batches(batch)
        mean: Tensor | None = None
        for piece in first:
            loss = self._share(piece, batch)
            mean = loss.detach() if mean is None else mean + loss.detach()
            with answering(self._differentiated):
                torch.autograd.backward(loss)
        loss = self._share(last, batch)
        whole = loss.detach() if mean is None else mean + loss.detach()
        losses.put(step, batch.keys, self._team.mean(whole))
        term = hook.loss_term(self.network)
        with answering(self._differentiated):
            torch.autograd.backward(loss if term is None else loss + term)

    def _batches(self, batch: Batch) -> tuple[Batch, ...]:
        """What the network sees at once of a step's samples."""
        training = self.study.training
        return (batch,) if training.accumulate == 1 else batch.pieces(self._team.share.of(training.batch_size))

    def _share(self, piece: Batch, batch: Batch) -> Tensor:
        """What a piece adds to the mean loss of a whole batch."""
        seen = laid_out(piece) if self._lies_last else piece
        with autocast(self.precision, self.device):
            loss = self.task.learn(self.network, seen).mean()
        return loss if piece is batch else loss * (len(piece.keys) / len(batch.keys))

    def _check_weights(self, step: int) -> None:
        state = self.network.state_dict()
        # One question to the device for all tensors, not one for each.
        finite = torch.stack([torch.isfinite(tensor).all() for tensor in state.values()]).tolist()
        for name, good in zip(state, finite, strict=True):
            if not good:
                raise diverged(f"the weights of {name} are not finite", step, ())


class _Loop:
    """Where a loop stands: what was read of its steps' losses, and what was saved."""

    def __init__(
        self,
        learner: Learner,
        plan: CheckpointPlan | None,
        position: Position,
        on_step: Callable[[StepRecord], None],
    ) -> None:
        self._learner, self._plan, self.position, self._on_step = learner, plan, position, on_step
        self._saved_step = position.step
        self.losses = LateLosses.on(learner.device)

    def made(self, step: Made) -> None:
        """Note a step, and pass on the records that are complete."""
        self._pass_on(self.losses.made(step))

    def read_all(self) -> None:
        """Pass on the records of all steps that were made: the position is then that of the weights."""
        self._pass_on(self.losses.all())

    def finish(self, *, halted: bool) -> None:
        """Save the last step, unless it is saved already, or dear while the caller goes on."""
        if self._plan is not None and (halted or self._plan.pace.affordable):
            self.save()

    def save(self) -> None:
        """Save now, if there is a plan. Raises `DivergedError` rather than save what is not finite."""
        self.read_all()
        if self._plan is None or self.position.step == self._saved_step:
            return
        self._learner._check_weights(self.position.step)
        self._learner.save(self._plan, self.position.model_copy(update={"note": self._plan.note}))
        self._saved_step = self.position.step

    def is_due(self, step: int) -> bool:
        """Whether the plan wants a checkpoint before this step."""
        plan = self._plan
        if plan is None:
            return False
        return (plan.every_steps is not None and step - self._saved_step >= plan.every_steps) or plan.is_due

    def _pass_on(self, records: Iterable[StepRecord]) -> None:
        for record in records:
            total, counted = self.position.loss_sum + record.loss, self.position.counted + 1
            changes: dict[str, JsonValue] = {"step": record.step + 1, "loss_sum": total, "counted": counted}
            self.position = self.position.model_copy(update=changes)
            self._on_step(record)
