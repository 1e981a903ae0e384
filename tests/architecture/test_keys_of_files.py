"""What is said of a key in the wrong file is true: the lists of keys are those of the models."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from wardround.aggregator.settings import Federation
from wardround.engine.study.expectations import place_in
from wardround.engine.study.models import Study
from wardround.engine.study.other_files import FILES
from wardround.site_client.agreement.settings import Policy, SiteSettings


@pytest.mark.parametrize(
    ("name", "model"),
    [("study.yaml", Study), ("site.yaml", SiteSettings), ("policy.yaml", Policy), ("federation.yaml", Federation)],
)
def test_each_file_has_the_keys_of_its_model(name: str, model: type[BaseModel]) -> None:
    top = place_in(model, ()).keys
    parts = {"model", "classes", "strategy"}
    sections = {key: keys for key in top if key not in parts and (keys := place_in(model, (key,)).keys)}
    assert {section: tuple(keys.split()) for section, keys in FILES[name].items()} == {"": top, **sections}
