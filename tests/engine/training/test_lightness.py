"""A process that trains loads what it needs: torch's compiler and what that draws in cost seconds at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

_TRAIN = """
import sys
from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.training import Learner

learner = Learner.create(tiny_study(training={"gradient_clip": 1.0}), 4, device="cpu")
learner.train(DiscBatches(learner.study), 0, 2)
learner.load_optimizer_state(learner.optimizer_state())
import torch
from wardround.engine.parts import Kind, builtin_and_plugins
for row in builtin_and_plugins().parts(Kind.OPTIMIZER):
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = row.make(row.parameters(), [weight])
    weight.grad = torch.ones(2, 2)
    optimizer.step()
    optimizer.zero_grad()
    optimizer.load_state_dict(optimizer.state_dict())
assert "torch" in sys.modules
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    ran = subprocess.run([sys.executable, "-c", _TRAIN], capture_output=True, text=True, timeout=240, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("heavy", ["torch._dynamo", "torch._inductor", "sympy", "sklearn", "matplotlib", "tensorboard"])
def test_training_does_not_load(heavy: str, loaded: set[str]) -> None:
    assert heavy not in loaded
