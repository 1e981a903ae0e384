"""Masks travel narrow and are learnt from as int64; the way over the bus, played with a device of paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.augmentation import Augmentation
from wardround.engine.sampling.batch import Batch, SampleKey
from wardround.engine.targets import Form
from wardround.engine.targets.mask import MASK
from wardround.engine.training.feed import Feed, InMemory, OverTheBus, feed

FLIP = [{"flip": {"probability": 1.0}}, {"spatial": {"probability": 1.0, "rotation": 30, "elastic": 1.0}}]


@pytest.mark.parametrize(
    ("classes", "kind"), [(2, torch.uint8), (256, torch.uint8), (257, torch.int32), (5000, torch.int32)]
)
def test_the_narrowest_type_holds_every_class(classes: int, kind: torch.dtype) -> None:
    study = tiny_study().model_copy(update={"classes": {f"c{value}": value for value in range(1, classes)}})
    assert MASK.forms(study) == {"mask": Form(str(kind).removeprefix("torch."), on_grid=True)}
    assert torch.tensor(classes - 1).to(kind) == classes - 1


@pytest.mark.parametrize("classes", [3, 300])
def test_augmenting_narrow_masks_equals_augmenting_wide_ones(classes: int) -> None:
    study = tiny_study(augmentation=FLIP)
    label = torch.randint(classes, (2, 16, 16), generator=torch.Generator().manual_seed(1))
    keys = (SampleKey("a" * 64, 0), SampleKey("b" * 64, 3))
    kind = torch.uint8 if classes == 3 else torch.int32
    wide = Augmentation(study)(Batch(keys, torch.rand(2, 1, 16, 16), {"mask": label})).label
    narrow = Augmentation(study)(Batch(keys, torch.rand(2, 1, 16, 16), {"mask": label.to(kind)})).label
    assert wide is not None
    assert narrow is not None
    assert narrow.dtype == kind
    assert not torch.equal(wide, label)
    assert torch.equal(narrow.long(), wide)


def test_the_loop_sees_int64() -> None:
    study = tiny_study(augmentation=FLIP)
    with feed(study, DiscBatches(study), 0, 2, torch.device("cpu")) as batches:
        label = batches.next().label
    assert label is not None
    assert label.dtype == torch.int64


@dataclass
class _PaperDevice:
    """Stands for `torch.cuda`: notes what is queued on which stream."""

    notes: list[str] = field(default_factory=list)
    current: str = "training"

    def Stream(self, device: torch.device) -> str:  # noqa: N802 - torch's name
        return "side"

    def Event(self) -> Any:  # noqa: N802 - torch's name
        return SimpleNamespace(record=lambda stream: self.notes.append(f"ready recorded on {stream}"))

    @contextmanager
    def stream(self, stream: str) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    def current_stream(self, device: torch.device) -> Any:
        return SimpleNamespace(
            name=self.current, wait_event=lambda event: self.notes.append(f"{self.current} waits for ready")
        )


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> _PaperDevice:
    paper, move = _PaperDevice(), torch.Tensor.to

    def to(tensor: torch.Tensor, *where: Any, **how: Any) -> torch.Tensor:
        if how.get("non_blocking"):
            paper.notes.append(f"{tensor.dtype} copied on {paper.current}".replace("torch.", ""))
            return tensor.clone()
        return move(tensor, *where, **how)

    monkeypatch.setattr(torch, "cuda", paper)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(
        torch.Tensor, "record_stream", lambda tensor, stream: paper.notes.append(f"kept for {stream.name}")
    )
    return paper


def test_the_bus_is_crossed_on_a_stream_of_its_own(device: _PaperDevice) -> None:
    """Image and narrow mask are copied, and augmented, beside the training stream, which then waits and keeps them."""
    study = tiny_study(augmentation=[])
    way = OverTheBus(Augmentation(study), torch.device("cuda", 0))
    batch = Batch(
        (SampleKey("a" * 64, 0),), torch.rand(1, 1, 16, 16), {"mask": torch.ones(1, 16, 16, dtype=torch.uint8)}
    )
    sent = way.send(batch)
    assert device.notes == ["float32 copied on side", "uint8 copied on side", "ready recorded on side"]
    device.notes.clear()
    received = way.receive(sent)
    assert device.notes == ["training waits for ready", "kept for training", "kept for training"]
    assert received.label is not None
    assert received.label.dtype == torch.int64


def test_both_ways_bring_the_same_batches(device: _PaperDevice) -> None:
    study = tiny_study(augmentation=FLIP)
    source = DiscBatches(study)
    with (
        Feed(source, 0, 4, InMemory(Augmentation(study))) as near,
        Feed(source, 0, 4, OverTheBus(Augmentation(study), torch.device("cuda", 0))) as far,
    ):
        for _ in range(4):
            first, second = near.next(), far.next()
            assert first.keys == second.keys
            assert torch.equal(first.image, second.image)
            assert first.label is not None
            assert second.label is not None
            assert torch.equal(first.label, second.label)
