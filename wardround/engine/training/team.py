"""Several processes that train one network: each takes its share of every batch, and all make the same step.

`torchrun` starts them, on one machine or on several. A gradient is the mean of all of theirs, so that a step of N
processes with batches of B / N is a step of one with a batch of B, to rounding. The first of them leads: it alone reads
checkpoints, validates and writes, and tells the others what to do next.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError
from wardround.engine.sampling.share import WHOLE, Share

_PATIENCE = datetime.timedelta(days=7)
"""The others wait while the first reads a cohort and validates; when one of them ends, `torchrun` ends all."""

_TOLD = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")
"""What `torchrun` tells each of its processes, all of it."""


class TeamLostError(InputError):
    """Another process of the training has ended, so that this one cannot go on."""


class Team:
    """The processes of a training, as one of them sees them: this one alone, unless `of_torchrun` found others.

    Attributes:
        share: what this process takes of each batch. The one of rank 0 leads.
    """

    def __init__(self, share: Share = WHOLE) -> None:
        self.share = share

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self.share.size

    @property
    def leads(self) -> bool:
        """Whether this process reads, validates and writes for all."""
        return self.share.rank == 0

    def tell(self, content: bytes = b"") -> bytes:
        """What the leader tells; the others give nothing, and wait for it."""
        if self.size == 1:
            return content
        with _together():
            length = torch.tensor([len(content)])
            dist.broadcast(length, 0)
            told = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.leads and content else None
            told = torch.empty(int(length), dtype=torch.uint8) if told is None else told
            dist.broadcast(told, 0)
        return told.numpy().tobytes()

    def mean(self, loss: Tensor) -> Tensor:
        """The mean of the losses of all processes, so that what is wrong with one is known to each in the same step."""
        if self.size == 1:
            return loss
        found = loss.clone()
        with _together():
            dist.all_reduce(found)
        return found / self.size

    def combine(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every gradient the mean of those of all processes, in place."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        # All at once: a message for each would cost more than the few bytes that most of them hold.
        flat = torch.cat([each.reshape(-1) for each in gradients])
        with _together():
            dist.all_reduce(flat)
        means = torch.split(flat.div_(self.size), [each.numel() for each in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all hear the same in the same step."""
        if self.size == 1:
            return flag
        found = torch.tensor([int(flag)])
        with _together():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)


ALONE = Team()


@contextmanager
def of_torchrun() -> Iterator[Team]:
    """The processes that `torchrun` started together with this one, for as long as the block runs; or this one alone.

    Control goes over the CPU, gradients over NCCL where there are accelerators.
    """
    told = [os.environ.get(name, "") for name in _TOLD]
    size = int(told[0]) if all(told) else 1
    if size == 1:
        yield ALONE
        return
    with _together():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    try:
        yield Team(Share(int(os.environ["RANK"]), size))
    finally:
        dist.destroy_process_group()


def own_device(name: str) -> str:
    """The device of this process, where several share a machine: an accelerator each, unless one is named."""
    place = os.environ.get("LOCAL_RANK")
    return f"cuda:{place}" if place and name in ("auto", "cuda") and torch.cuda.is_available() else name


@contextmanager
def _together() -> Iterator[None]:
    """A connection that breaks is the end of another process, whose own words say why it ended."""
    try:
        yield
    except RuntimeError as error:
        raise TeamLostError.one(
            "another process of this training has ended, or cannot be reached",
            got=str(error).partition("\n")[0],
            remedy="What it said stands with its rank. The same command goes on at the last checkpoint",
        ) from None
