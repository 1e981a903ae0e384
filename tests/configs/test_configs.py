"""Every ready file loads as the model that reads it, and says what its neighbours expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.checkout import CHECKOUT
from tests.support.shared_data import shared_data
from wardround.aggregator.settings import Federation
from wardround.demo.demo import STUDY
from wardround.demo.plan import DemoPlan
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.networks import build_network
from wardround.engine.store import CaseStore
from wardround.engine.study import load_study
from wardround.engine.study.documents import read_document, validate_document
from wardround.lab.manifests import write_manifest
from wardround.site_client.agreement.settings import Policy, SiteSettings, load_settings

CONFIGS = CHECKOUT / "configs"
STUDIES = sorted(CONFIGS.glob("*/study.yaml"))


def test_every_yaml_file_is_of_a_known_kind() -> None:
    names = {path.name for path in CONFIGS.rglob("*.yaml")}
    assert names == {"study.yaml", "site.yaml", "policy.yaml", "federation.yaml"}
    ready = {
        "adrenal",
        "brain",
        "brain_age",
        "ct",
        "ct_series",
        "ct_slice",
        "demo",
        "heart_disease",
        "hippocampus",
        "hippocampus_denoising",
        "hippocampus_regions",
        "hippocampus_volume",
        "histology",
        "lesions_mr",
        "nnunet",
        "nuclei",
        "nuclei_count",
        "pneumonia",
        "spinal_cord",
        "tcga_brca",
    }
    assert {path.parent.name for path in STUDIES} == ready


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.parent.name)
def test_studies_are_valid_and_their_networks_can_be_built(path: Path) -> None:
    study = load_study(path)
    assert sum(tensor.numel() for tensor in build_network(study).parameters()) > (1000 if study.inputs else 30)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/federation.yaml")), ids=lambda path: path.parent.name)
def test_federations_are_valid_and_name_a_study_beside_them(path: Path) -> None:
    federation = validate_document(Federation, read_document(path))
    load_study(path.parent / federation.study)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*/site.yaml")), ids=lambda path: path.parent.name)
def test_sites_are_valid_and_their_policies_allow_the_federation(path: Path) -> None:
    settings = load_settings(path)
    policy = validate_document(Policy, read_document(settings.policy))
    federation = validate_document(Federation, read_document(path.parent / "federation.yaml"))
    study = load_study(path.parent / "study.yaml")
    assert isinstance(settings, SiteSettings)
    assert study.task in policy.tasks
    assert federation.horizon.rounds <= policy.maximum_rounds
    assert federation.horizon.total_steps <= policy.maximum_steps
    assert all(policy.lets_out(metric.name) for metric in study.validation.metrics)


@pytest.mark.shared_data
def test_of_masks_with_many_values_a_class_gathers_several_and_the_rest_is_background(tmp_path: Path) -> None:
    study, folder = load_study(CONFIGS / "brain" / "study.yaml"), shared_data() / "brain_ixi"
    scan = "IXI012-HH-1211-T1_ds"
    row = ("one", str(folder / "nifti" / f"{scan}.nii.gz"), str(folder / "dlmuse" / f"{scan}_DLMUSE.nii.gz"))
    manifest = write_manifest(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Label"), [row])
    (case,) = read_manifest(manifest, study, truth=Truth.REQUIRED).cases
    (stored,) = CaseStore(tmp_path / "store").open_cases(study, [case])
    assert stored.label is not None
    voxels = np.bincount(np.asarray(stored.label).ravel())
    assert len(voxels) == len(study.class_names) == 5
    millilitres = dict(zip(study.class_names, voxels * 8 / 1000, strict=True))
    for name, (low, high) in {
        "ventricles": (10, 60), "hippocampi": (5, 15), "cerebellum": (100, 200), "brain stem": (15, 40)
    }.items():  # fmt: skip
        assert low < millilitres[name] < high, name


def test_the_demos_study_is_the_one_that_the_package_carries() -> None:
    assert (CONFIGS / "demo" / "study.yaml").read_bytes() == STUDY.read_bytes()
    assert load_study(STUDY).training.steps == DemoPlan().horizon.total_steps
