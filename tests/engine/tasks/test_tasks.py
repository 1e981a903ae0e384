"""What holds for every task: modes come back, random state is untouched, missing truth is named, scores are whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.engine.tasks.cases import CLASSIFICATION, SEGMENTATION, stored_case, study
from wardround.engine.basics.problems import InputError
from wardround.engine.tasks import build_task
from wardround.engine.tasks.task import frozen

CPU = torch.device("cpu")
TASKS = [pytest.param(SEGMENTATION, id="segmentation"), pytest.param(CLASSIFICATION, id="classification")]


def trained(content: dict[str, Any], **changes: Any) -> tuple[Any, nn.Module, list[Any], list[str]]:
    """A task, its network after a few steps, six cases and their names."""
    task = build_task(study(content, **changes))
    network, cases = task.network(), [stored_case(seed) for seed in range(6)]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for _ in range(3):
            network(torch.randn(4, 1, 16, 16))
    return task, network, cases, [f"patient {seed}" for seed in range(6)]


@pytest.mark.parametrize("content", TASKS)
def test_evaluation_has_a_score_per_case_and_every_metric(content: dict[str, Any]) -> None:
    task, network, cases, subjects = trained(content)
    evaluation = task.evaluate(network, cases, subjects, CPU)
    assert [case.subject for case in evaluation.cases] == subjects
    assert {"loss", *(metric.name for metric in task.study.validation.metrics)} <= set(evaluation.summary)
    assert all(summary.count == 6 for summary in evaluation.summary.values())
    losses = [case.scores["loss"] for case in evaluation.cases]
    assert evaluation.summary["loss"].value == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("content", TASKS)
def test_evaluation_changes_neither_modes_nor_weights_nor_random_state(content: dict[str, Any]) -> None:
    task, network, cases, subjects = trained(content)
    network.train()
    first = next(module for module in network.modules() if not list(module.children()))
    first.eval()
    modes = [module.training for module in network.modules()]
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(11)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    once = task.evaluate(network, cases, subjects, CPU)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == numpy_state
    assert task.evaluate(network, cases, subjects, CPU) == once
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_modes_come_back_after_an_error() -> None:
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval())

    def fail() -> None:
        with frozen(network):
            assert not network[0].training
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [module.training for module in network.modules()] == [True, True, False]


@pytest.mark.parametrize("content", TASKS)
def test_training_goes_on_after_an_evaluation(content: dict[str, Any]) -> None:
    task, network, cases, subjects = trained(content)
    task.evaluate(network, cases, subjects, CPU)
    network(torch.randn(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("content", TASKS)
def test_every_case_without_truth_is_named(content: dict[str, Any]) -> None:
    task, network, cases, subjects = trained(content)
    unknown = [stored_case(seed, labelled=seed not in (2, 4)) for seed in range(6)]
    with pytest.raises(InputError) as caught:
        task.evaluate(network, unknown, subjects, CPU)
    assert [problem.where for problem in caught.value.problems] == ["patient 2", "patient 4"]
    assert task.predict(network, unknown[2], CPU).values.dtype == np.float32
    assert len(cases) == len(unknown)


@pytest.mark.parametrize("content", TASKS)
def test_no_cases_have_no_scores(content: dict[str, Any]) -> None:
    task, network, _, _ = trained(content)
    evaluation = task.evaluate(network, [], [], CPU)
    assert (evaluation.cases, evaluation.summary) == ((), {})


@pytest.mark.parametrize("content", TASKS)
def test_progress_ends_at_the_number_of_cases(content: dict[str, Any]) -> None:
    class Watcher:
        seen: list[int] = []  # noqa: RUF012

        def advance(self, done: int, note: str = "") -> None:
            self.seen.append(done)

    task, network, cases, subjects = trained(content)
    watcher = Watcher()
    task.evaluate(network, cases, subjects, CPU, watcher)
    assert watcher.seen[-1] == 6
    assert watcher.seen == sorted(watcher.seen)
