"""Whatever is wrong in site.yaml or policy.yaml, its staff is told in words: what, where, got, expected, remedy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.spoiling import filled, problems_of, unfit_messages
from wardround.site_client.settings import Policy, SiteSettings

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
