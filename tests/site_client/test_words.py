"""Whatever is wrong in site.yaml or policy.yaml, its staff is told in words: what, where, got, expected, remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.offered import offers_that_fail
from tests.support.spoiling import filled, problems_of, unfit_messages
from wardround.engine.basics.problems import InputError
from wardround.site_client.agreement.settings import Policy, SiteSettings
from wardround.site_client.setup.preflight import check_site

SITE = filled(SiteSettings, {"schema": 1, "name": "north", "manifest": "a.csv", "store_limit": "200 GB"})
POLICY = filled(Policy, {"schema": 1, "tasks": ["segmentation"]})


@pytest.mark.parametrize(
    ("model", "content"),
    [(SiteSettings, SITE), (Policy, POLICY), (Policy, POLICY | {"metrics": ["dice"]})],
    ids=["site", "policy", "metrics"],
)
def test_a_wrong_value_anywhere_is_told_in_words(model: Any, content: dict[str, Any]) -> None:
    assert problems_of(model, content) == ()
    assert unfit_messages(model, content) == []


def test_an_unknown_metric_of_a_policy_is_told_with_the_close_ones() -> None:
    (problem,) = problems_of(Policy, POLICY | {"metrics": ["dice", "dicee.left", "loss"]})
    assert problem.what == "unknown metric 'dicee.left'"
    assert problem.remedy == "Did you mean 'dice'?"


def test_files_beside_a_site_file_at_fault_are_told_of_as_well(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("schema: 1\nname: North\nmanifest: data.csv\npolicy: rules.yaml\n")
    (tmp_path / "rules.yaml").write_text("schema: 1\nmetrics: [dicee]\n")
    (tmp_path / "data.csv").write_text("SubjectID,Channel_0\na,a.nii\n")
    with pytest.raises(InputError) as caught:
        check_site(tmp_path / "site.yaml", online=False)
    said = str(caught.value)
    for words in (
        "site.yaml:2, name",
        "unknown metric 'dicee'",
        "keys are not there",
        "data.csv:2",
        "no invitation has been",
    ):
        assert words in said, words


@pytest.mark.parametrize(
    ("model", "key", "value", "remedy"),
    [
        (SiteSettings, "store_limit", "1,5 GB", "Decimals have a point here; write `store_limit: 1.5 GB`"),
        (SiteSettings, "checkpoint_seconds", "2 min", "write `checkpoint_seconds: 120`"),
        (SiteSettings, "manifest", ["a.csv"], "Write it without brackets or a dash: `manifest: a.csv`"),
        (Policy, "maximum_rounds", "1 000", "write `maximum_rounds: 1000`"),
        (Policy, "tasks", {"segmentation": True}, "Write a list: `tasks: [segmentation]`"),
        (Policy, "metrics", "dice, hd95", "Write a list: `metrics: [dice, hd95]`"),
        (Policy, "schema", 2, "Write `schema: 1`, or, if a later release wrote this file, update Wardround"),
    ],
)
def test_another_form_of_a_value_is_told_as_it_should_be(model: Any, key: str, value: Any, remedy: str) -> None:
    (problem,) = problems_of(model, (SITE if model is SiteSettings else POLICY) | {key: value})
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("model", "content", "remedy"),
    [
        (SiteSettings, SITE | {"minimum_train_cases": 3}, "belongs to each hospital's policy.yaml; take it out here"),
        (SiteSettings, SITE | {"quorum": 3}, "belongs to the coordinator's federation.yaml; take it out here"),
        (SiteSettings, SITE | {"batch_size": 3}, "belongs to study.yaml, under `training`; take it out here"),
        (Policy, POLICY | {"device": "cpu"}, "belongs to each hospital's site.yaml; take it out here"),
        (Policy, POLICY | {"rounds": 3}, "Did you mean 'maximum_rounds'?"),
        (Policy, POLICY | {"epochs": 3}, "belongs to study.yaml, under `training`; take it out here"),
    ],
)
def test_a_key_of_another_file_is_told_where_it_belongs(model: Any, content: dict[str, Any], remedy: str) -> None:
    (problem,) = problems_of(model, content)
    assert problem.remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("model", "content"),
    [(SiteSettings, SITE), (Policy, POLICY), (Policy, POLICY | {"metrics": ["dice"]})],
    ids=["site", "policy", "metrics"],
)
def test_every_line_that_is_offered_may_stand_there(model: Any, content: dict[str, Any]) -> None:
    assert offers_that_fail(model, content) == []
