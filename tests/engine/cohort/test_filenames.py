"""Subjects that can name a file, and what is proposed for the others."""

from __future__ import annotations

import pytest

from wardround.engine.cohort.filenames import names_a_file, no_name_of_a_file


@pytest.mark.parametrize("subject", ["case-00", "2024-01-05", "Müller, Anna", "a.b", "-x"])
def test_names_of_files(subject: str) -> None:
    assert names_a_file(subject)


@pytest.mark.parametrize(
    ("subject", "remedy"),
    [
        ("2024/01/05", "Write 2024-01-05"),
        ("a\\b", "Write a-b"),
        ("../x", "Write x"),
        ("/x/", "Write x"),
        (".hidden", "Write hidden"),
        ("..", "Give the case another SubjectID"),
    ],
)
def test_a_name_is_proposed_for_what_is_none(subject: str, remedy: str) -> None:
    assert not names_a_file(subject)
    assert no_name_of_a_file(subject, "data.csv:2").remedy == remedy
