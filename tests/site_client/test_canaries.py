"""Names of patients and paths are planted where the real engine meets them: they are in the errors that a site's own
log keeps, and in nothing that it seals, whatever goes wrong with its cases."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.site_client import support
from tests.site_client.planted import CASES, WORDS, Canaries, Wire, cohort_of, working, write_patients
from tests.site_client.support import Site, build_site
from tests.support import failing_parts
from tests.support.images import oblique_geometry
from wardround.engine.experiments import fit
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.imaging import read_image, write_image, write_label
from wardround.engine.study import Study
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.model_group import initial_arrays
from wardround.federation.payload import pack
from wardround.federation.protocol import (
    Done,
    Missing,
    RefusalCode,
    Refused,
    Reply,
    Stage,
)
from wardround.site_client.events import Role


def spoil_voxel(image: Path) -> None:
    """A voxel that is no number."""
    found = read_image(image)
    found.data[0, 3, 4, 5] = np.nan
    write_image(image, found)


def cut_short(image: Path) -> None:
    """The second half of the voxels is gone."""
    raw = gzip.decompress(image.read_bytes())
    image.write_bytes(gzip.compress(raw[: len(raw) // 2]))


def no_image(image: Path) -> None:
    """Text in the image's place."""
    image.write_text("report of the examination")


def folder_instead(image: Path) -> None:
    """Something that cannot be read as a file."""
    image.unlink()
    image.mkdir()


def mask_of_another(image: Path) -> None:
    """A mask that does not lie on the image."""
    mask = image.with_name(image.name.replace("_image", "_mask"))
    write_label(mask, np.ones((9, 9, 9), np.uint8), oblique_geometry((9, 9, 9)))


def unknown_class(image: Path) -> None:
    """A value in the mask that the study does not know."""
    mask = image.with_name(image.name.replace("_image", "_mask"))
    write_label(mask, np.full((18, 20, 16), 7, np.uint8), oblique_geometry((18, 20, 16)))


SPOILERS = (spoil_voxel, cut_short, no_image, folder_instead, Path.unlink, mask_of_another, unknown_class)
Spoiler = Callable[[Path], None]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
@settings(max_examples=2)
@given(words=WORDS, which=st.integers(0, CASES - 1))
def test_of_a_file_that_cannot_be_used_one_word_is_sent(
    tmp_path_factory: pytest.TempPathFactory, spoil: Spoiler, words: list[str], which: int
) -> None:
    canaries = Canaries(*words)
    site = build_site(tmp_path_factory.mktemp("site"))
    spoil(write_patients(site, canaries)[which])
    with working(site) as wire:
        reply = wire.ask(site.hello())
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.CASES_UNUSABLE
    assert wire.told(canaries) == []
    assert wire.told(replace(canaries, ward="cases_unusable")) == ["cases_unusable"], "what is sent is looked through"
    kept = site.log_text(Role.WORKER)
    assert canaries.subject in kept, "the hospital reads which case it is"
    assert reply.correlation in kept


@settings(max_examples=2)
@given(words=WORDS)
def test_a_round_that_goes_well_sends_weights_and_scores_alone(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    canaries = Canaries(*words)
    site = build_site(tmp_path_factory.mktemp("site"))
    write_patients(site, canaries)
    with working(site) as wire:
        reply = _trained(site, wire)
    assert isinstance(reply, Done)
    assert len(wire.sent[-1].payload) > 1000
    assert wire.told(canaries) == []


@settings(max_examples=2)
@given(words=WORDS)
def test_a_model_folder_that_is_handed_on_names_nobody(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    """The folder `model` of a hospital's own run, with values that were fitted to its cases."""
    canaries, folder = Canaries(*words), tmp_path_factory.mktemp(words[0])
    site = build_site(folder / "site")
    write_patients(site, canaries)
    fitted = "preprocessing: [cohort_clip, cohort_normalize]"
    content = re.sub(r"preprocessing: .*", fitted, support.STUDY).replace("epochs: 1", "steps: 2")
    study = validate_document(Study, parse_document(content, Path("study.yaml")))
    bench = Workbench.open(study, site.folder / "data.csv", folder / canaries.folder, threads=1)
    fit(bench, folder / canaries.file)
    made = [path for path in (folder / canaries.file / "model").rglob("*") if path.is_file()]
    assert {"model.safetensors", "metrics.json", "preprocessing.json"} <= {path.name for path in made}
    shared = b"\n".join(path.name.encode() + path.read_bytes() for path in made).lower()
    assert [word for word in canaries.all if word.encode() in shared] == []
    assert any(canaries.subject.encode() in path.read_bytes() for path in (folder / canaries.file).glob("*.csv"))


@settings(max_examples=2)
@given(words=WORDS)
def test_of_an_image_that_is_gone_amid_a_run_one_word_is_sent(
    tmp_path_factory: pytest.TempPathFactory, words: list[str]
) -> None:
    canaries = Canaries(*words)
    site = build_site(tmp_path_factory.mktemp("site"))
    images = write_patients(site, canaries)
    with working(site) as wire:
        cohort = cohort_of(site, wire)
        images[0].unlink()
        base = pack(initial_arrays(support.a_study()))
        reply = wire.ask(site.task(Stage.TRAIN, 1, base, cohort), base)
    assert isinstance(reply, Refused)
    assert wire.told(canaries) == []
    assert canaries.file in site.log_text(Role.WORKER)


@pytest.mark.parametrize("part", ["optimizer: {name: bad_optimizer, how: late}", "loss: {bad_loss: {how: raises}}"])
@pytest.mark.usefixtures("package")
def test_of_what_a_part_raises_one_word_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """A part may put into its error whatever it has seen."""
    canaries = Canaries("mueller0001", "born1950", "oncology3", "archive77", "scan2211")

    def raising(word: str) -> None:
        raise ValueError(f"{word}: {' '.join(canaries.all)}")

    monkeypatch.setattr(failing_parts, "_raise", raising)
    key = part.partition(":")[0]
    study = re.sub(rf"{key}: (\{{.*?\}}|\w+)", part, support.STUDY, count=1)
    site = build_site(tmp_path / "site", study=study)
    write_patients(site, canaries)
    with working(site) as wire:
        reply = _trained(site, wire)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.PART_FAILED
    assert wire.told(canaries) == []
    assert all(word in site.log_text(Role.WORKER) for word in canaries.all)


def _trained(site: Site, wire: Wire) -> Reply:
    """The answer to the first round, or to what comes before it."""
    base = pack(initial_arrays(site.agreement.study))
    task = site.task(Stage.TRAIN, 1, base, cohort_of(site, wire))
    assert isinstance(wire.ask(task), Missing)
    return wire.ask(task, base)
