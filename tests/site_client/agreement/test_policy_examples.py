"""What is proposed for a wrong value of a policy: as much as was written, and never more."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.site_client.agreement.settings import load_policy

MEANT = (
    ("metrics: dice", "`metrics: [dice]`"),
    ("metrics: Dice", "`metrics: [dice]`"),
    ("metrics: dice and loss", "`metrics: [dice, loss]`"),
    ("metrics: dice.left lung", "`metrics: [dice.left lung]`"),
    ("metrics: none", "`metrics: []`"),
    ("metrics: false", "`metrics: []`"),
    ("metrics:", "`metrics: []`"),
    ("tasks: seg", "`tasks: [segmentation]`"),
    ("tasks: Classification", "`tasks: [classification]`"),
    ("tasks: none", "`tasks: []`"),
)
GUESSED = (
    ("metrics: 5", "`metrics: [dice]`"),
    ("tasks: 3", "`tasks: [segmentation]`"),
    ("maximum_rounds: 0", "`maximum_rounds: 1`"),
    ("maximum_rounds: few", "`maximum_rounds: 1`"),
    ("maximum_steps: few", "`maximum_steps: 1`"),
    ("allowance: none", "`allowance: 0`"),
    ("allowance: -1", "`allowance: 0`"),
    ("cohort_changes: no", "`cohort_changes: refuse`"),
)


@pytest.mark.parametrize(("line", "said"), MEANT + GUESSED, ids=[line for line, _ in MEANT + GUESSED])
def test_a_wrong_value_of_the_policy_is_answered_with_no_more_than_was_written(
    tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"schema: 1\n{line}\n")
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert said in str(caught.value)
    assert "`metrics: all`" not in str(caught.value)
    path.write_text(f"schema: 1\n{said.strip('`')}\n")
    load_policy(path)


def test_a_misspelt_all_is_all(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("schema: 1\nmetrics: al\n")
    with pytest.raises(InputError, match="Did you mean 'all'"):
        load_policy(path)
