"""Networks have the sizes that were published, and give what another library's give with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from wardround.engine.parts import Kind, builtin_and_plugins

VGG_CLASSIFIER, LINEAR_HEAD = 123_642_856, 513_000
"""The paper's three dense layers for a thousand classes, and the one that stands for them here."""
VGG = {11: 132_868_840, 13: 133_053_736, 16: 138_365_992, 19: 143_678_248}
"""With batch norm, whose convolutions have a bias there, one for each channel that is normalised."""


def network(name: str, inputs: int = 3, outputs: int = 1000, *, dimensions: int = 2, **parameters: Any) -> nn.Module:
    """A network by name, outside a study."""
    part = builtin_and_plugins().find(Kind.NETWORK, name)
    made: nn.Module = part.load()(part.parameters(dimensions=dimensions, **parameters), inputs, outputs)
    return made


class Undrawn(TorchFunctionMode):
    """Leaves weights as memory happens to be, which takes no time."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Draw nothing."""
        named = dict(kwargs or {})
        is_drawn = getattr(func, "__module__", "") == "torch.nn.init"
        return named.get("tensor", *args[:1]) if is_drawn else func(*args, **named)


def count(name: str, *sizes: int, **parameters: Any) -> int:
    """Its weights."""
    with Undrawn():
        return sum(weight.numel() for weight in network(name, *sizes, **parameters).parameters())


@pytest.mark.parametrize(
    ("name", "parameters", "published"),
    [
        *(
            ("efficientnet", {"variant": f"b{number}"}, published)
            for number, published in enumerate(
                [5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960]
            )
        ),
        ("resnet", {"depth": 101}, 44_549_160),
        ("resnet", {"depth": 152}, 60_192_808),
        ("resnet", {"depth": 200}, 64_673_832),
        ("densenet", {"depth": 121}, 7_978_856),
        ("densenet", {"depth": 169}, 14_149_480),
        ("densenet", {"depth": 201}, 20_013_928),
        ("densenet", {"depth": 264}, 33_337_704),
        ("convnext", {"variant": "tiny"}, 28_589_128),
        ("convnext", {"variant": "small"}, 50_223_688),
        ("convnext", {"variant": "base", "filters": 128}, 88_591_464),
    ],
)
def test_a_classifier_has_the_published_number_of_weights(
    name: str, parameters: dict[str, Any], published: int
) -> None:
    """Those of torchvision and timm, for the thousand classes of ImageNet."""
    assert count(name, **parameters) == published


@pytest.mark.parametrize("depth", VGG)
def test_a_vgg_has_the_published_convolutions(depth: int) -> None:
    with Undrawn():
        made = network("vgg", depth=depth)
    norms = [layer for layer in made.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == depth - 3
    biases = sum(layer.num_features for layer in norms)
    assert count("vgg", depth=depth) - LINEAR_HEAD + VGG_CLASSIFIER + biases == VGG[depth]


@pytest.mark.parametrize(("width", "heads", "published"), [(384, 6, 22_050_664), (768, 12, 86_567_656)])
def test_a_vision_transformer_has_the_published_number_but_for_places_and_class_token(
    width: int, heads: int, published: int
) -> None:
    assert count("vit", width=width, heads=heads) + (14 * 14 + 1) * width + width == published


def test_other_sizes_as_published() -> None:
    assert count("sfcn", 1, 40, dimensions=3) == pytest.approx(3.0e6, rel=0.02)  # Peng et al. 2021
    assert count("residual_encoder", 1, 3, dimensions=3) == pytest.approx(102.35e6, rel=0.001)  # nnU-Net ResEnc L
    assert count("unet", 1, 3, dimensions=3, levels=6, filters=32, most_filters=320) == pytest.approx(31.2e6, rel=0.001)
    # segmentation_models_pytorch's Unet("resnet34"), whose head looks at 3 x 3 pixels of 16 channels
    assert count("resnet_unet", 3, 1) + 16 * 8 == 24_436_369


def _ours_without(made: nn.Module, *kinds: type[nn.Module]) -> int:
    """Weights without the affine norms and the biases of transposed convolutions, which MONAI has not."""
    extra = [
        *(weight for layer in made.modules() if isinstance(layer, kinds) for weight in layer.parameters()),
        *(layer.bias for layer in made.modules() if isinstance(layer, nn.ConvTranspose3d) and layer.bias is not None),
    ]
    return sum(weight.numel() for weight in made.parameters()) - sum(weight.numel() for weight in extra)


def test_transformers_have_the_published_number_of_weights() -> None:
    from monai.networks.nets import SwinUNETR

    with Undrawn():
        swin = network("swin_unetr", 1, 14, dimensions=3)
        theirs = SwinUNETR(in_channels=1, out_channels=14, feature_size=48)
    assert _ours_without(swin, nn.InstanceNorm3d) == sum(weight.numel() for weight in theirs.parameters())
    places = (96 // 16) ** 3 * 768
    assert count("unetr", 1, 14, dimensions=3) + places == pytest.approx(92.8e6, rel=0.002)


def _take(ours: nn.Module, theirs: nn.Module, order: list[str]) -> None:
    """Give ours the weights of theirs, module by module in the given order of their names."""
    wanted = [weight for name in order for weight in theirs.get_submodule(name).state_dict().values()]
    own = [weight for name, weight in ours.state_dict().items() if not _is_bias_of_up(ours, name)]
    assert [each.shape for each in own] == [each.shape for each in wanted]
    with torch.no_grad():
        for mine, their in zip(own, wanted, strict=True):
            mine.copy_(their)


def _is_bias_of_up(ours: nn.Module, name: str) -> bool:
    """A bias that theirs has not, and that is zero before training."""
    owner, _, kind = name.rpartition(".")
    return kind == "bias" and isinstance(ours.get_submodule(owner), nn.ConvTranspose2d | nn.ConvTranspose3d)


def _varied(network: nn.Module) -> None:
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))


def _same(ours: nn.Module, theirs: nn.Module, image: Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(image), theirs.eval()(image), rtol=1e-4, atol=1e-4)


def test_a_planned_unet_is_nnunets() -> None:
    """With kernels and strides for thick slices and a cap on the feature maps, as MONAI's DynUNet of the same."""
    from monai.networks.nets import DynUNet

    kernels, strides, filters = [[1, 3, 3]] * 3, [[1, 2, 2], [2, 2, 2]], [4, 8, 10]
    theirs = DynUNet(
        3, 2, 3, kernels, [[1, 1, 1], *strides], strides, filters, norm_name=("instance", {"affine": True})
    )
    ours = network("unet", 2, 3, dimensions=3, filters=4, levels=3, most_filters=10, kernels=kernels, strides=strides)
    _varied(theirs)
    blocks = ["input_block", "downsamples.0", "bottleneck"]
    parts = [f"{block}.{part}{number}" for block in blocks for number in (1, 2) for part in ("conv", "norm")]
    for number in range(2):
        up = f"upsamples.{number}"
        inner = [f"{up}.conv_block.{part}{each}" for each in (1, 2) for part in ("conv", "norm")]
        parts += [f"{up}.transp_conv", *inner]
    _take(ours, theirs, [*parts, "output_block.conv"])
    _same(ours, theirs, torch.randn(1, 2, 3 * 2, 12, 8))


def test_a_segresnet_is_monais() -> None:
    from monai.networks.nets import SegResNet

    theirs = SegResNet(3, init_filters=8, in_channels=2, out_channels=3, blocks_down=(1, 2, 2), blocks_up=(1, 1))
    ours = network("segresnet", 2, 3, dimensions=3, filters=8, levels=3)
    _varied(theirs)
    order = ["convInit.conv", *_blocks("down_layers.0.1")]
    for level in (1, 2):
        order += [f"down_layers.{level}.0.conv", *_blocks(f"down_layers.{level}.1"), *_blocks(f"down_layers.{level}.2")]
    for level in (0, 1):
        order += [f"up_samples.{level}.0.conv", *_blocks(f"up_layers.{level}.0")]
    _take(ours, theirs, [*order, "conv_final.0", "conv_final.2.conv"])
    _same(ours, theirs, torch.randn(1, 2, 8, 12, 8))


def _blocks(name: str) -> list[str]:
    return [f"{name}.norm1", f"{name}.conv1.conv", f"{name}.norm2", f"{name}.conv2.conv"]
