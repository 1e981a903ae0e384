"""The thread reads ahead, tells the true error, and is gone afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from wardround.engine.sampling import Batch, Prefetcher, SampleKey


class _Counting:
    """Batches that hold their step; step 7 fails."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, step: int) -> Batch:
        self.asked.append(step)
        if step == 7:
            error = ValueError("a broken map")
            error.add_note("while taking patch 0 of case abc")
            raise error
        return Batch((SampleKey("abc", step),), torch.full((1, 1, 2, 2), float(step)), {})


def _unchanged(batch: Batch) -> Batch:
    return batch


def _double(batch: Batch) -> Batch:
    return replace(batch, image=batch.image * 2)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_batches_come_in_order_and_transformed() -> None:
    values = [float(batch.image[0, 0, 0, 0]) for batch in Prefetcher(_Counting(), 2, 6, _double)]
    assert values == [4, 6, 8, 10]


def test_no_steps_are_no_batches() -> None:
    assert list(Prefetcher(_Counting(), 3, 3, _unchanged)) == []


def test_the_true_error_comes_at_its_step_with_notes() -> None:
    got = []
    with pytest.raises(ValueError, match="a broken map") as caught:
        got.extend(batch.keys[0].draw for batch in Prefetcher(_Counting(), 5, 9, _unchanged))
    assert caught.value.__notes__ == ["while taking patch 0 of case abc", "while preparing the batch of step 7"]


def test_errors_of_the_transform_are_told_too() -> None:
    def fail(batch: Batch) -> Batch:
        raise RuntimeError("no such axis")

    with pytest.raises(RuntimeError, match="no such axis"):
        next(iter(Prefetcher(_Counting(), 0, 3, fail)))


def test_it_reads_no_more_than_a_few_ahead() -> None:
    source = _Counting()
    with Prefetcher(source, 0, 7, _unchanged) as batches:
        stream = iter(batches)
        next(stream)
        while len(source.asked) < 4:
            threading.Event().wait(0.001)
        threading.Event().wait(0.05)
        assert len(source.asked) <= 4  # one handed over, two waiting, one in the making
        stream.close()  # type: ignore[attr-defined]


def test_leaving_early_stops_the_thread() -> None:
    with Prefetcher(_Counting(), 0, 7, _unchanged) as batches:
        next(iter(batches))
    with pytest.raises(RuntimeError, match="closed"):
        list(batches)
