"""Tensor files are exact, equal for equal content, and refuse every altered byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from wardround.engine.basics.problems import InputError
from wardround.engine.training.weights import DamagedFileError, copy_weights, put_weights, read_tensors, write_tensors


def _tensors() -> dict[str, torch.Tensor]:
    return {
        "weight": torch.randn(3, 4),
        "scalar": torch.tensor(7.25),
        "count": torch.tensor([1, 2**60]),
        "half": torch.randn(5).bfloat16(),
        "none": torch.zeros(0, 3),
    }


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    tensors = _tensors()
    write_tensors(tmp_path / "a.safetensors", tensors, {"step": 3, "score": 0.1 + 0.2})
    file = read_tensors(tmp_path / "a.safetensors")
    assert file.header == {"step": 3, "score": 0.1 + 0.2}
    assert set(file.tensors) == set(tensors)
    for name, tensor in tensors.items():
        assert file.tensors[name].dtype == tensor.dtype
        assert torch.equal(file.tensors[name], tensor)


def test_equal_content_has_equal_bytes_and_any_reader_opens_it(tmp_path: Path) -> None:
    tensors = _tensors()
    write_tensors(tmp_path / "a.safetensors", tensors, {"b": 1, "a": 2})
    write_tensors(tmp_path / "b.safetensors", dict(reversed(tensors.items())), {"a": 2, "b": 1})
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert torch.equal(load_file(tmp_path / "a.safetensors")["weight"], tensors["weight"])


def test_every_altered_or_missing_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"weight": torch.arange(6.0), "count": torch.tensor(3)}, {"step": 12})
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(DamagedFileError):
            read_tensors(path)
    for length in (0, 7, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedFileError):
            read_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*Check the name"):
        read_tensors(tmp_path / "absent.safetensors")


def test_weights_that_do_not_fit_are_all_named_and_none_is_loaded() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = copy_weights(network)
    wrong = dict(before) | {"0.weight": torch.zeros(3, 5), "extra": torch.zeros(1)}
    wrong["1.num_batches_tracked"] = torch.tensor(0.0)
    del wrong["0.bias"]
    with pytest.raises(InputError) as caught:
        put_weights(network, wrong)
    assert all("of another network" in problem.remedy for problem in caught.value.problems)
    assert {problem.where for problem in caught.value.problems} == {
        "weights, 0.weight",
        "weights, 0.bias",
        "weights, 1.num_batches_tracked",
        "weights, extra",
    }
    assert all(torch.equal(tensor, before[name]) for name, tensor in copy_weights(network).items())


def test_a_copy_of_weights_does_not_follow_the_network() -> None:
    network = nn.Linear(2, 2)
    copy = copy_weights(network)
    with torch.no_grad():
        network.weight.zero_()
    assert not torch.equal(copy["weight"], network.weight)
    put_weights(network, copy)
    assert torch.equal(copy["weight"], network.weight)
