"""Memory is used again when, and only when, nothing refers to it."""

from __future__ import annotations

import gc

import torch

from wardround.engine.sampling.memory import BatchMemory


def _memory() -> BatchMemory:
    return BatchMemory((4, 5), torch.float32)


def test_tensors_in_use_share_nothing() -> None:
    memory = _memory()
    held = [memory.tensor().fill_(value) for value in range(20)]
    assert [float(tensor.mean()) for tensor in held] == list(range(20))
    assert len({tensor.data_ptr() for tensor in held}) == 20


def test_memory_comes_back_when_it_is_dropped() -> None:
    memory = _memory()
    first = memory.tensor()
    place = first.data_ptr()
    del first
    gc.collect()
    assert memory.tensor().data_ptr() == place


def test_views_arrays_and_gradients_keep_their_memory() -> None:
    memory = _memory()
    view = memory.tensor().fill_(1)[1:, ::2]
    array = memory.tensor().fill_(2).numpy()[0]
    weight = torch.ones(5, requires_grad=True)
    product = (memory.tensor().fill_(3) * weight).sum()  # the input is saved for the gradient of the weight
    gc.collect()
    for _ in range(10):
        memory.tensor().fill_(-1)
    product.backward()
    assert (view == 1).all()
    assert (array == 2).all()
    assert weight.grad is not None
    assert weight.grad.tolist() == [12.0] * 5
