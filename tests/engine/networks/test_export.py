"""Every network can be exported, and says the same then."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.engine.networks.studies import NETWORKS, slim_study
from wardround.engine.networks import build_network
from wardround.engine.parts import Part

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("part", NETWORKS, ids=lambda part: part.name)]
SIZE = (32, 64)


def test_an_exported_program_says_the_same(part: Part) -> None:
    network, image = build_network(slim_study(part)).eval(), torch.randn(2, 2, *SIZE)
    batch = torch.export.Dim("samples", min=1, max=8)
    program = torch.export.export(network, (image,), dynamic_shapes=({0: batch},))
    for samples in (2, 3):
        given = torch.randn(samples, 2, *SIZE)
        with torch.no_grad():
            assert torch.equal(program.module()(given), network(given))


def test_onnx_says_nearly_the_same(part: Part, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    network, image = build_network(slim_study(part)).eval(), torch.randn(1, 2, *SIZE)
    torch.onnx.export(network, (image,), str(tmp_path / "network.onnx"), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), network(image), rtol=1e-3, atol=1e-4)
