"""The developers' guide is true: its package, installed as it says, adds a part that a study can train with."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from tests.support.images import write_segmentation_cohort
from tests.support.installing import forget, install_package
from tests.support.studies import SEGMENTATION, changed, study_of, write_study
from wardround.engine.cli.runner import ExitCode
from wardround.engine.imaging import Image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitting import fit_to
from wardround.engine.preprocessing.sample import FittableStep
from wardround.engine.sampling import Batch, Surroundings
from wardround.engine.scaffold import new_part
from wardround.engine.trial import check_part
from wardround.federation.strategies.protocol import Contribution, Incoming, Sites
from wardround.lab.processes import module_command

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "developer.md").read_text()
PATCHES = {"size": [16, 16, 16], "per_case": 1}
MODEL = {"name": "unet", "dimensions": 3, "filters": 4, "levels": 2}


def blocks(language: str) -> list[str]:
    """The guide's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH with the guide's package, and what an installer writes beside it."""
    site = tmp_path / "site"
    package, metadata = site / "contrast_parts", site / "contrast_parts-1.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    rows, transforms = blocks("python")[:2]
    (package / "__init__.py").touch()
    (package / "rows.py").write_text(rows)
    (package / "transforms.py").write_text(transforms)
    groups = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    entries = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in group_entries.items())
        for group, group_entries in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(entries))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: contrast-parts\nVersion: 1\n")
    return site


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A small study with the guide's augmentation."""
    augmentation: Any = YAML(typ="safe").load(blocks("yaml")[0])["augmentation"]
    content = changed(SEGMENTATION, augmentation=augmentation, patches=PATCHES, model=MODEL)
    return write_study(tmp_path / "study.yaml", content)


def wardround(*words: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `wardround` as a process, with a folder of packages if one is given."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **({"PYTHONPATH": str(path)} if path else {})}
    command = module_command("wardround.engine.cli", *map(str, words))
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_study_trains_with_the_part_of_the_guide(tmp_path: Path, installed: Path, study: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path / "data", cases=6)
    assert re.search(r"\binvert\b", wardround("parts", path=installed).stdout)
    out = tmp_path / "run"
    arguments = ["fit", study, "--manifest", manifest, "--out", out, "--steps", 2, "--threads", 1, "--device", "cpu"]
    finished = wardround(*arguments, path=installed)
    assert finished.returncode == ExitCode.OK, finished.stderr
    assert (out / "fold-0" / "model" / "model.safetensors").exists()


def test_a_hospital_without_the_part_says_so(tmp_path: Path, study: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path / "data", cases=2)
    finished = wardround("check", study, "--manifest", manifest)
    assert finished.returncode == ExitCode.BAD_INPUT
    assert "'invert'" in finished.stderr


@pytest.fixture
def importable(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(installed))
    yield
    for name in [name for name in sys.modules if name.startswith("contrast_parts")]:
        del sys.modules[name]


@pytest.mark.usefixtures("importable")
def test_the_guides_transform_keeps_the_range_and_the_other_samples() -> None:
    from contrast_parts.rows import Invert  # type: ignore[import-not-found]
    from contrast_parts.transforms import InvertTransform  # type: ignore[import-not-found]

    transform = InvertTransform(Invert(probability=1))
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype(np.float32))
    found, _ = transform.apply(image, None, [None, transform.draw(np.random.default_rng(0), 3)])
    assert torch.equal(found[0], image[0])
    torch.testing.assert_close(found[1].amin((1, 2, 3)), image[1].amin((1, 2, 3)))
    once_more, _ = transform.apply(found, None, [None, transform.draw(np.random.default_rng(0), 3)])
    torch.testing.assert_close(once_more, image)


@pytest.mark.parametrize(
    ("kind", "file", "block"),
    [("loss", "rows.py", 2), ("loss", "implementation.py", 3), ("network", "implementation.py", 4)],
)
def test_the_guide_shows_what_new_part_writes(tmp_path: Path, kind: str, file: str, block: int) -> None:
    """Those packages are installed and trained with in tests/engine/scaffold."""
    made = new_part(kind, f"my_{kind}", tmp_path / kind)
    assert blocks("python")[block] == (made.folder / f"wardround_my_{kind}" / file).read_text()


def test_the_guide_names_every_field_of_a_batch() -> None:
    section = GUIDE.partition("## What a batch holds")[2].partition("\n## ")[0]
    for field in fields(Batch) + fields(Surroundings):
        assert f"`{field.name}`" in section


def test_the_strategy_of_the_guide_shrinks_weights_at_the_sites_and_is_folded_as_fedavg() -> None:
    written: dict[str, Any] = {"__name__": "shrinking"}
    source = next(block for block in blocks("python") if "class Shrink(" in block)
    exec(compile(source, "developer.md", "exec", dont_inherit=True), written)
    (row,) = written["PARTS"]
    assert (row.kind, row.name, row.implementation) == (Kind.STRATEGY, "shrink", "shrinking:Shrink")
    strategy = written["Shrink"](row.parameters(rate=0.25))
    network = torch.nn.Linear(3, 1, bias=False)
    torch.nn.init.constant_(network.weight, 4.0)
    half = strategy.at_site(Incoming({}, {}, (0.1,)), network)
    assert half.loss_term(network) is None
    half.after_step(network)
    assert network.weight.tolist() == [[3.0, 3.0, 3.0]]
    sent = half.finish(network)
    assert sent.numbers == {"norm": pytest.approx(27**0.5)}
    strategy.sharing.check_numbers(sent.numbers)
    fold = strategy.begin({}, {}, Sites(("north", "south")))
    for value in (1.0, 2.0):
        arrays = {"model/weight": np.full((1, 3), value, np.float32)}
        fold.add(Contribution("north", 3, 1, 5, None, arrays, sent.numbers))
    assert fold.finish().model["model/weight"].tolist() == [[1.5, 1.5, 1.5]]


@pytest.fixture
def centring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Part]:
    """The guide's fitted step, in a package of its own."""
    source = next(block for block in blocks("python") if "class Centre:" in block)
    (tmp_path / "centre_parts.py").write_text(source)
    install_package(tmp_path, monkeypatch, "centre-parts 1", "[wardround.parts]\ncentre = centre_parts:PARTS\n")
    yield builtin_and_plugins().find(Kind.PREPROCESSING, "centre")
    monkeypatch.undo()
    sys.modules.pop("centre_parts", None)
    forget()


def test_the_fitted_step_of_the_guide_learns_from_answers_and_centres_the_training_cases(centring: Part) -> None:
    assert [problem.render() for problem in check_part(centring)] == []
    study = study_of(changed(SEGMENTATION, preprocessing=["centre"]))
    random = np.random.default_rng(0)
    data = [random.normal(5, 2, (1, 4, 5, 6)).astype(np.float32) for _ in range(3)]
    samples = [Sample(Image(each, plain_geometry((4, 5, 6))), None) for each in data]
    pipeline = Pipeline(study, fit_to(study, samples))
    centred = np.stack([pipeline.apply_between(0, 1, [sample]).image.data for sample in samples])
    np.testing.assert_allclose(centred, np.stack(data) - np.mean(np.stack(data), dtype=np.float64), atol=1e-5)


def test_the_guide_tells_of_all_that_a_fitted_step_has() -> None:
    section = GUIDE.partition("## A step that is fitted")[2].partition("\n## ")[0]
    members = {name for name in vars(FittableStep) if not name.startswith("_")} | set(FittableStep.__annotations__)
    assert members == {"version", "learns", "asks", "next", "fitted"}
    assert all(re.search(rf"^\| `{name}\b", section, re.MULTILINE) for name in members)
