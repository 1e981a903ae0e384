"""What networks say of a study that does not fit them, each with its place and a way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from tests.engine.networks.studies import network_study
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.parts.networks import ResidualEncoder, SegResNet, UNet
from wardround.engine.study import Study
from wardround.engine.study.located_problems import flaws_of

GANDLF = [
    *("unet", "resunet", "unet_multilayer", "resunet_multilayer", "light_unet", "deep_unet", "light_resunet"),
    *("deep_resunet", "uinc", "fcn", "unetr", "transunet", "dynunet", "sdnet", "msdnet", "imagenet_unet", "brain_age"),
    *(f"vgg{depth}" for depth in (11, 13, 16, 19)),
    *(f"densenet{depth}" for depth in (121, 169, 201, 264)),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152, 200)),
    *(f"efficientnetb{number}" for number in range(8)),
]


def _told(model: dict[str, Any], size: Sequence[int], batch_size: int = 2) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        network_study({"dimensions": len(size), **model}, size=size, batch_size=batch_size)
    flaws = flaws_of(caught.value, Study)
    return [f"{'.'.join(map(str, each.location))}: {each.what}; {each.expected}; {each.way_out}" for each in flaws]


@pytest.mark.parametrize("name", GANDLF)
def test_each_network_of_gandlf_has_one_that_stands_for_it(name: str) -> None:
    assert len([part for part in builtin_and_plugins().parts(Kind.NETWORK) if name in part.gandlf]) == 1


@pytest.mark.parametrize(
    ("model", "size", "where", "said"),
    [
        ({"name": "unet", "strides": [[1, 2, 2]]}, [16, 16, 16], "model.strides", "3 lists of 3 numbers"),
        ({"name": "unet", "strides": [[2, 2]] * 3}, [16, 16, 16], "model.strides", "3 lists of 3 numbers"),
        ({"name": "unet", "kernels": [[3, 3]] * 3}, [16, 16], "model.kernels", "4 lists of 2 numbers"),
        ({"name": "unet", "kernels": [[2, 3]] * 4}, [16, 16], "model.kernels", ""),
        ({"name": "unet", "strides": [[0, 2]] * 3}, [16, 16], "model.strides", ""),
        ({"name": "unet", "levels": 2, "deep_supervision": True}, [16, 16], "model.deep_supervision", "`levels: 3`"),
        ({"name": "unet", "strides": [[1, 2, 2], [2, 2, 2], [2, 2, 2]]}, [16, 16, 20], "patches.size", "[4, 8, 8]"),
        ({"name": "residual_encoder", "blocks": [1, 2]}, [32, 32], "model.blocks", "6 numbers"),
        ({"name": "segresnet", "blocks": [1, 2]}, [32, 32], "model.blocks", "4 numbers"),
        ({"name": "swin_unetr"}, [48, 64, 64], "patches.size", "multiples of 32, such as [64, 64, 64]"),
        ({"name": "swin_unetr", "filters": 50}, [64, 64, 64], "model.filters", "`filters: 51`"),
        ({"name": "unetr"}, [40, 48], "patches.size", "multiples of 16, such as [48, 48]"),
        ({"name": "vit", "width": 100}, [32, 32], "model.width", "`width: 102`"),
        ({"name": "vit", "patch": 10}, [32, 32], "patches.size", "a smaller `patch`"),
        ({"name": "vgg"}, [64, 31, 64], "patches.size", "[64, 32, 64]"),
        ({"name": "densenet"}, [16, 64], "patches.size", "sides of at least 32"),
        ({"name": "sfcn"}, [16, 64, 64], "patches.size", "sides of at least 32"),
        ({"name": "convnext"}, [16, 64], "patches.size", "sides of at least 32"),
        ({"name": "resnet_unet"}, [48, 64], "patches.size", "multiples of 32"),
        ({"name": "vit", "norm": "batch"}, [32, 32], "model.norm", "layer"),
        ({"name": "unet", "norm": "layer"}, [32, 32], "model.norm", "instance"),
        ({"name": "unet", "most_filters": 0}, [32, 32], "model.most_filters", ""),
        ({"name": "efficientnet", "variant": "b8"}, [32, 32], "model.variant", "b7"),
        ({"name": "densenet", "depth": 120}, [32, 32], "model.depth", "121"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(model: dict[str, Any], size: list[int], where: str, said: str) -> None:
    told = [each for each in _told(model, size) if each.startswith(where)]
    assert told
    assert said in told[0]


def test_everything_is_told_at_once() -> None:
    model = {"name": "residual_encoder", "strides": [[2, 2, 2]], "kernels": [[3, 3, 3]], "blocks": [1]}
    assert {each.partition(":")[0] for each in _told(model, [32, 32, 32])} == {
        "model.strides",
        "model.kernels",
        "model.blocks",
    }


@pytest.mark.parametrize("name", ["densenet", "sfcn"])
def test_a_patch_of_which_one_voxel_is_left_has_no_variance(name: str) -> None:
    assert "one voxel" in _told({"name": name, "norm": "instance"}, [32, 32])[0]
    network_study({"name": name, "dimensions": 2, "norm": "instance"}, size=[32, 64])


def test_flat_patches_for_volumes_are_told_of_the_patch() -> None:
    with pytest.raises(ValidationError) as caught:
        network_study({"name": "unet", "dimensions": 3, "strides": [[1, 2, 2]] * 3}, size=[32, 32])
    assert any("patches" in each.location for each in flaws_of(caught.value, Study))


def test_feature_maps_grow_up_to_the_cap() -> None:
    assert UNet(filters=32, levels=6, most_filters=320).widths == (32, 64, 128, 256, 320, 320)
    assert UNet(filters=16, levels=4).widths == (16, 32, 64, 128)


def test_an_encoder_has_the_blocks_of_its_paper_unless_told() -> None:
    assert ResidualEncoder().blocks_by_level == (1, 3, 4, 6, 6, 6)
    assert ResidualEncoder(levels=8).blocks_by_level == (1, 3, 4, 6, 6, 6, 6, 6)
    assert SegResNet().blocks_by_level == (1, 2, 2, 4)
    assert SegResNet(levels=3, blocks=(1, 1, 2)).blocks_by_level == (1, 1, 2)
