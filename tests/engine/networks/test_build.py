"""A network's initial weights are a function of the study; what the study cannot have is refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests.engine.networks.studies import network_study
from wardround.engine.basics.problems import InputError
from wardround.engine.networks import build_network
from wardround.engine.networks.build import check_norms
from wardround.engine.networks.layers import group_count, norm

RESUNET = {"name": "resunet", "dimensions": 3, "filters": 4, "levels": 3, "norm": "instance"}
RESNET = {"name": "resnet", "dimensions": 2, "filters": 4, "depth": 10, "stem": "small"}


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of all weights in order."""
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("model", [RESUNET, RESNET], ids=["resunet", "resnet"])
def test_equal_studies_have_equal_weights_whatever_ran_before(model: dict[str, Any]) -> None:
    first = build_network(network_study(model))
    torch.manual_seed(99)
    torch.randn(1000)
    assert weights_digest(build_network(network_study(model))) == weights_digest(first)


@pytest.mark.parametrize("model", [RESUNET, RESNET], ids=["resunet", "resnet"])
def test_seeds_give_different_weights(model: dict[str, Any]) -> None:
    assert weights_digest(build_network(network_study(model))) != weights_digest(
        build_network(network_study(model, seed=43))
    )


def test_another_process_has_the_same_weights() -> None:
    script = (
        "import torch; torch.set_num_threads(1); torch.manual_seed(5)\n"
        "from tests.engine.networks.studies import network_study\n"
        "from tests.engine.networks.test_build import RESUNET, weights_digest\n"
        "from wardround.engine.networks import build_network\n"
        "print(weights_digest(build_network(network_study(RESUNET))))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == weights_digest(build_network(network_study(RESUNET)))


def test_building_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_network(network_study(RESUNET))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.initial_seed() == 3


def test_weights_are_hes() -> None:
    network = build_network(network_study({"name": "unet", "dimensions": 3, "filters": 32, "levels": 2}))
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv3d) and layer.weight.numel() > 5000]
    assert layers
    for layer in layers:
        expected = (2 / (1 + 0.01**2) / (layer.in_channels * 27)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_the_default_networks_do_without_monai() -> None:
    script = "import sys; import wardround.engine.tasks; assert 'monai' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (4, 4), (5, 5), (8, 8), (11, 1), (12, 6), (14, 7), (320, 8)])
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    assert group_count(channels) == groups
    assert norm("group", 3, channels)(torch.zeros(2, channels, 3, 3, 3)).shape == (2, channels, 3, 3, 3)


@pytest.mark.parametrize("model_norm", ["instance", "batch", "group"])
@pytest.mark.parametrize("name", ["unet", "resunet"])
def test_odd_channels_fit(name: str, model_norm: str) -> None:
    model = {"name": name, "dimensions": 2, "filters": 7, "levels": 3, "norm": model_norm}
    network = build_network(network_study(model, inputs=["a", "b", "c"]))
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def test_a_norm_that_the_study_does_not_name_is_refused_by_its_place() -> None:
    network = nn.Sequential(nn.InstanceNorm3d(4, affine=True), nn.Sequential(nn.BatchNorm3d(4)))
    with pytest.raises(InputError, match=r"BatchNorm3d in 1\.0.*expected InstanceNorm3d"):
        check_norms(network, network_study(RESUNET))


@pytest.mark.parametrize(("model_norm", "batch_size"), [("instance", 4), ("batch", 1)])
def test_a_patch_that_shrinks_to_one_voxel_is_refused(model_norm: str, batch_size: int) -> None:
    with pytest.raises(ValidationError, match=r"one voxel.*no variance"):
        network_study(RESUNET | {"norm": model_norm}, size=[4, 4, 4], batch_size=batch_size)


@pytest.mark.parametrize(
    ("model_norm", "size", "batch_size"), [("instance", [4, 4, 8], 1), ("batch", [4, 4, 4], 2), ("group", [4, 4, 4], 1)]
)
def test_the_smallest_patches_that_can_be_learned_from(model_norm: str, size: list[int], batch_size: int) -> None:
    study = network_study(RESUNET | {"norm": model_norm}, size=size, batch_size=batch_size)
    build_network(study)(torch.randn(batch_size, 2, *size)).sum().backward()
