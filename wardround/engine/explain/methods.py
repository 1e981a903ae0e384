"""The methods by name: each makes a map for a batch of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from wardround.engine.explain.aim import Aim
from wardround.engine.explain.cam import grad_cam, grad_cam_plus_plus
from wardround.engine.explain.gradients import guided_backpropagation, integrated_gradients
from wardround.engine.explain.occlusion import occlusion


@dataclass(frozen=True)
class Question:
    """What a method is asked beside images.

    Attributes:
        network: in evaluation mode.
        aim: the output that is explained.
        layer: whose features class activation maps show; empty for methods that look at none.
        empty: (channels,) the value of an image that shows nothing.
    """

    network: nn.Module
    aim: Aim
    layer: str
    empty: Tensor


Explain = Callable[[Question, Tensor], Tensor]
"""Maps (samples, channels, *grid) images to (samples, *grid) numbers."""


@dataclass(frozen=True)
class Method:
    """A way to explain.

    Attributes:
        name: by which people ask for it.
        says: what its map shows, for people.
        explain: makes maps.
        has_layer: whether it looks at the features of a layer.
        signed: whether its numbers may be negative: what speaks against the answer.
    """

    name: str
    says: str
    explain: Explain
    has_layer: bool = False
    signed: bool = False


def _guided_grad_cam(asked: Question, images: Tensor) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al. 2017): the fine map where the coarse one is bright."""
    coarse = grad_cam(asked.network, images, asked.aim, asked.layer)
    return coarse * guided_backpropagation(asked.network, images, asked.aim)


METHODS: Mapping[str, Method] = {
    one.name: one
    for one in (
        Method(
            "grad_cam",
            "where features that speak for the answer are strong, as coarse as the network's last grid",
            lambda asked, images: grad_cam(asked.network, images, asked.aim, asked.layer),
            has_layer=True,
        ),
        Method(
            "grad_cam++",
            "as grad_cam, with more weight on several places of one kind",
            lambda asked, images: grad_cam_plus_plus(asked.network, images, asked.aim, asked.layer),
            has_layer=True,
        ),
        Method(
            "guided_backpropagation",
            "edges and textures that raise the answer; fine, but much the same for every class",
            lambda asked, images: guided_backpropagation(asked.network, images, asked.aim),
        ),
        Method("guided_grad_cam", "guided_backpropagation where grad_cam is bright", _guided_grad_cam, has_layer=True),
        Method(
            "integrated_gradients",
            "how much each voxel adds to the answer, or takes from it; the numbers sum to the answer",
            lambda asked, images: integrated_gradients(asked.network, images, asked.aim, asked.empty),
            signed=True,
        ),
        Method(
            "occlusion",
            "by how much the answer falls when a box is covered",
            lambda asked, images: occlusion(asked.network, images, asked.aim, asked.empty),
            signed=True,
        ),
    )
}
"""By name."""
