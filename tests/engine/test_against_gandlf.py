"""GaNDLF's mistakes that concern one hospital's work, and the test that holds each of them here.

Each was found by running or reading GaNDLF 0.1.5. Most have tests beside the code that they are about: these are named,
so that none is renamed away unseen. What had none is tested below.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.studies import SEGMENTATION, changed
from wardround.engine.augmentation import Augmentation
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.sampling import Batch, SampleKey
from wardround.engine.study import Study

HERE = Path(__file__).parent
ELSEWHERE = {
    "nested folds leak the test set into training": "cohort/test_folds.py "
    "test_no_patient_is_in_two_sets_and_every_case_is_tested_once",
    "stratified is silently off": "cohort/test_folds.py test_folds_are_stratified_by_class",
    "schedules never step": "training/test_schedules.py test_each_step_of_a_loop_has_the_schedules_rate",
    "--resume restores nothing": "cli/test_fit.py test_a_killed_process_goes_on_to_the_same_bytes",
    "checkpoints hold subjects and paths": "experiments/test_fit.py test_a_model_folder_names_no_subject_and_no_path",
    "stains are not normalised": "preprocessing/test_colour.py "
    "test_stains_of_a_slide_are_found_and_brought_to_the_reference",
    "the header check adds signed differences": "cli/test_check_images.py "
    "test_a_difference_on_one_axis_is_not_made_up_for_by_another",
    "the last weights are tested, not the best": "experiments/test_fit.py "
    "test_the_model_has_the_weights_of_the_best_validation_also_when_the_last_ones_are_others",
    "parameters of focal are ignored": "losses/test_oracles.py test_focal_is_monais_and_its_gamma_is_used",
    "a wrong list of classes trains": "cli/test_check_images.py test_a_mask_value_outside_the_classes",
    "a wrong class in a table trains": "cli/test_check.py test_a_value_outside_the_classes",
    "misspelt keys are accepted": "study/test_study.py test_a_key_with_one_wrong_letter_is_suggested",
    "a missing image is a traceback": "cli/test_check.py test_a_missing_image",
    "an empty cell is a traceback": "cli/test_check.py test_an_empty_cell",
    "validation has batches of one": "inference/test_windows.py test_a_call_gets_at_most_the_batch_size",
    "every image is read again in every epoch": "experiments/test_workbench.py "
    "test_resuming_reads_no_voxel_and_a_first_run_decodes_each_file_once",
}


@pytest.mark.parametrize("mistake", ELSEWHERE)
def test_each_mistake_has_its_test(mistake: str) -> None:
    file, name = ELSEWHERE[mistake].split()
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def study(**changes: Any) -> Study:
    return Study.model_validate(changed(SEGMENTATION, **changes))


def test_masks_of_bytes_in_a_batch_of_several_are_turned_and_scaled() -> None:
    """GaNDLF crashes here: it puts uint8 masks beside ones that interpolation made float."""
    spatial = {"spatial": {"rotation": 30, "scale": [0.8, 1.2], "probability": 1}}
    augment = Augmentation(study(augmentation=[spatial]))
    mask = torch.zeros((3, 16, 16, 16), dtype=torch.uint8)
    mask[:, 3:11, 5:12, 4:9], mask[:, 8:13, 5:12, 4:9] = 1, 2
    image = mask[:, None].float()
    keys = tuple(SampleKey(f"{number:064x}", number) for number in range(3))
    done = augment(Batch(keys, image, {"mask": mask}))
    assert done.label is not None
    assert set(done.label.unique().tolist()) == {0, 1, 2}
    assert not torch.equal(done.label.to(torch.uint8), mask)
    for number in range(3):
        alone = augment(
            Batch(keys[number : number + 1], image[number : number + 1], {"mask": mask[number : number + 1]})
        )
        assert alone.label is not None
        assert torch.equal(alone.label[0], done.label[number]), "a sample does not depend on its batch"


@pytest.mark.parametrize(
    ("section", "content", "key"),
    [
        ("training", {"loss": "dice_ce", "optimizer": {"name": "adam", "learning_rate": -0.1}}, "learning_rate"),
        ("training", {"loss": "dice_ce", "optimizer": {"name": "adam", "learning_rate": 0}}, "learning_rate"),
        ("validation", {"outer_folds": 0, "metrics": ["dice"], "select": "dice"}, "outer_folds"),
        ("validation", {"inner_folds": 0, "metrics": ["dice"], "select": "dice"}, "inner_folds"),
        ("validation", {"outer_folds": -5, "metrics": ["dice"], "select": "dice"}, "outer_folds"),
    ],
)
def test_negative_rates_and_no_folds_are_refused(section: str, content: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        study(**{section: content})


def test_help_imports_no_torch() -> None:
    """GaNDLF's takes eight seconds, most of them for torch and what imports it."""
    script = (
        "import sys; sys.argv = ['wardround', '--help']; from wardround.engine.cli.main import main; code = main();"
        "heavy = {'torch', 'monai', 'torchio', 'scipy', 'yaml'} & {*sys.modules}; sys.exit(code or len(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_augmentation_sees_images_after_preprocessing() -> None:
    """GaNDLF adds noise before it normalises, so that what `std` means depends on the file: here it is the study's."""
    augment = Augmentation(study(augmentation=[{"noise": {"std": [0.5, 0.5], "probability": 1}}]))
    image = torch.zeros((2, 1, 16, 16, 16))
    keys = tuple(SampleKey(f"{number:064x}", number) for number in range(2))
    done = augment(Batch(keys, image, {"mask": torch.zeros((2, 16, 16, 16), dtype=torch.uint8)}))
    assert np.allclose(done.image.std(dim=(1, 2, 3, 4)), 0.5, atol=0.02)


@pytest.mark.parametrize("name", ["dice", "jaccard", "hd95"])
def test_no_class_is_left_out_of_validation(name: str) -> None:
    """GaNDLF leaves out the first of the list, whether it is the background or not."""
    part = builtin_and_plugins().find(Kind.METRIC, name)
    mask = np.zeros((8, 8, 8), dtype=np.uint8)
    mask[1:3], mask[4:7] = 1, 2
    scores = part.make(part.parameters()).scores(mask, mask, (1.0, 1.0, 1.0), ("background", "first", "second"))
    assert {each.partition(".")[2] for each in scores} >= {"first", "second"}
