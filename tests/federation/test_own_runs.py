"""What only a hospital's own run can do is refused where a federation is set up and where it is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site_client.support import STUDY, a_study, build_site
from wardround.engine.basics.problems import InputError
from wardround.federation.own_runs import of_own_runs
from wardround.site_client.agreement.agreement import check_strategy

START = f"{{asset: pretrained, sha256: {'a' * 64}}}"
OWN = {
    "training.start": STUDY.replace("epochs: 1", f"epochs: 1, start: {START}"),
    "training.ema": STUDY.replace("epochs: 1", "epochs: 1, ema: 0.99"),
    "training.schedule": STUDY.replace("epochs: 1", "epochs: 1, schedule: reduce_on_plateau"),
}
MEANT_ALIKE = STUDY.replace("epochs: 1", "epochs: 1, patience: 3, validate_every: 1, accumulate: 2, schedule: poly")


@pytest.mark.parametrize("key", OWN)
def test_each_is_named_with_what_to_do(key: str) -> None:
    (problem,) = of_own_runs(a_study(OWN[key]))
    assert problem.where == key
    assert problem.got
    assert problem.expected
    assert problem.remedy


@pytest.mark.parametrize("key", OWN)
def test_a_site_does_not_take_part_in_it(tmp_path: Path, key: str) -> None:
    site = build_site(tmp_path / "site", study=OWN[key])
    with pytest.raises(InputError, match=key):
        check_strategy(site.agreement)


def test_what_a_federation_does_in_its_own_way_or_as_well_is_taken(tmp_path: Path) -> None:
    assert [*of_own_runs(a_study(MEANT_ALIKE))] == []
    check_strategy(build_site(tmp_path / "site", study=MEANT_ALIKE).agreement)
