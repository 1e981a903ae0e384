"""A file that cannot be read is told with what stands there, what is alike beside it, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.spoiling import unfit_for_people
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import kind_of, naming_place, read_named, remedy_for_missing, require_config


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("gone.yaml"))


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _similar(path: Path) -> None:
    path.with_name("study2.yaml").touch()


def _other_ending(path: Path) -> None:
    path.with_suffix(".yml").touch()


@pytest.mark.parametrize(
    ("make", "what", "remedy"),
    [
        (lambda path: None, "there is no such study", "check the path, and the folder in which the command is run"),
        (_similar, "there is no such study", "Its folder has 'study2.yaml'"),
        (_other_ending, "there is no such study", "Its folder has 'study.yml'"),
        (os.mkfifo, "the study is a pipe", "Name the file itself"),
        (
            Path.mkdir,
            "the study is a folder",
            "Remove the empty folder (a container makes one where a file is not there",
        ),
        (
            lambda path: (path / "inner").mkdir(parents=True),
            "the study is a folder",
            "Name the study itself: nothing in this folder ends in .yaml or .yml",
        ),
        (
            lambda path: (path / "inner.yaml").mkdir(parents=True),
            "the study is a folder",
            "Name the file in it; it has inner.yaml",
        ),
        (_link, "the study is a link that leads nowhere", "Put back what the link leads to"),
        (_circle, "the study is a link that leads nowhere", "name the file itself"),
    ],
)
def test_what_is_in_the_way_is_named(tmp_path: Path, make: Callable[[Path], object], what: str, remedy: str) -> None:
    path = tmp_path / "study.yaml"
    make(path)
    with pytest.raises(InputError) as caught:
        read_named(path, "study")
    (problem,) = caught.value.problems
    assert problem.what == what
    assert remedy in problem.remedy
    assert unfit_for_people(problem) == []


def test_a_missing_folder_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    with pytest.raises(InputError, match=r"The folder .*/studis does not exist; .* has 'studies'"):
        read_named(tmp_path / "studis" / "deep" / "study.yaml", "study")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a part of it that should be a folder is a file"):
        read_named(tmp_path / "file" / "study.yaml", "study")


def test_a_file_that_another_names_is_told_in_its_place(tmp_path: Path) -> None:
    words = r"federation.yaml:3, study: there is no such study \(got .*gone.yaml: no file"
    with pytest.raises(InputError, match=words), naming_place("federation.yaml:3, study"):
        read_named(tmp_path / "gone.yaml", "study")


def test_kinds_of_bytes_are_told_and_text_is_none() -> None:
    assert kind_of(b"\x89PNG\r\n") == "a PNG image"
    assert kind_of(b"a: 1\n") == kind_of(b"") == ""
    assert kind_of(b"a\x00b") == "a file of bytes that are no text"


def test_two_names_are_not_alike_for_their_ending(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").touch()
    assert "study" not in remedy_for_missing(tmp_path / "site.yaml").replace(str(tmp_path), "")
    assert remedy_for_missing(tmp_path / "studie.yaml") == "Its folder has 'study.yaml'; correct the path"


def test_of_a_folder_the_files_are_listed_that_may_be_meant(tmp_path: Path) -> None:
    for name in ("a.csv", "b.nii.gz", "c.yaml", "d.YML"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"it has c\.yaml, d\.YML\."):
        read_named(tmp_path, "study")
    with pytest.raises(InputError, match=r"it has a\.csv\."):
        read_named(tmp_path, "table")
    with pytest.raises(InputError, match=r"it has a\.csv, b\.nii\.gz, c\.yaml\."):
        read_named(tmp_path, "invitation")


@pytest.mark.parametrize("noun", ["federation file", "site file"])
def test_without_settings_the_folder_is_told_and_how_to_name_another(tmp_path: Path, noun: str) -> None:
    kind = noun.removesuffix(" file")
    form, inside = f"{kind}.yaml", tmp_path / "brain"
    inside.mkdir()
    words = rf"there is no {kind} here \(got no {form} in the folder {tmp_path};.*--config FOLDER/{form}`\. Begin so\."
    with pytest.raises(InputError, match=words):
        require_config(tmp_path / form, noun, form, "Begin so")
    (inside / form).touch()
    (inside / "keys").mkdir()
    for folder in (tmp_path, inside / "keys"):
        with pytest.raises(InputError, match=rf"name its file: `--config {inside / form}`"):
            require_config(folder / form, noun, form, "Begin so")
    with pytest.raises(InputError, match=rf"there is no such {noun}.*Its folder has '{form}'"):
        require_config(inside / form.replace("i", "j"), noun, form, "Begin so")
