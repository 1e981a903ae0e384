"""Images of an npz archive become files and a table: the same voxels, each label in its row, and damage in words."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.shared_data import shared_data
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Silent
from wardround.engine.cli.main import app
from wardround.engine.imaging import read_image
from wardround.engine.interop.archives import Unpacked, case_count, import_npz


def archive(folder: Path, **arrays: Any) -> Path:
    path = folder / "set.npz"
    np.savez_compressed(path, **arrays)
    return path


def of(kind: str, *side: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, *side)).astype(kind)


IMAGES, LABELS = of("uint8", 4, 4), np.zeros(3, int)


def unpacked(path: Path, out: Path) -> tuple[Unpacked, list[dict[str, str]]]:
    made = import_npz(path, out, Silent())
    with made.manifest.open(newline="") as handle:
        return made, list(csv.DictReader(handle))


@pytest.mark.parametrize(
    ("images", "suffix", "axes"),
    [
        (of("uint8", 6, 5), ".png", "yx"),
        (of("uint8", 6, 5, 3), ".png", "yxc"),
        (of("uint8", 6, 5, 4), ".nii.gz", "ijk"),
        (of(">i2", 6, 5, 4), ".nii.gz", "ijk"),
        (of("float16", 6, 5, 4), ".nii.gz", "ijk"),
        (of("bool", 6, 5, 4), ".nii.gz", "ijk"),
    ],
)
def test_each_image_is_read_back_voxel_by_voxel(tmp_path: Path, images: np.ndarray, suffix: str, axes: str) -> None:
    path = archive(tmp_path, train_images=images, train_labels=np.arange(len(images))[:, None])
    _, rows = unpacked(path, tmp_path / "out")
    for row, expected in zip(rows, images, strict=True):
        assert row["Channel_0"].endswith(suffix)
        found = read_image(tmp_path / "out" / row["Channel_0"]).data
        np.testing.assert_array_equal(found, np.moveaxis(expected, -1, 0) if axes == "yxc" else expected[None])


def test_labels_and_sets_are_those_of_the_archive(tmp_path: Path) -> None:
    parts = {"train": 12, "val": 2, "test": 3}
    arrays = {f"{name}_images": of("uint8", 4, 4, count=count) for name, count in parts.items()}
    labels = {f"{name}_labels": np.arange(2 * count).reshape(count, 2) for name, count in parts.items()}
    made, rows = unpacked(archive(tmp_path, **arrays, **labels), tmp_path / "out")
    assert dict(made.cases) == {"train": 12, "validation": 2, "test": 3}
    assert [row["Split"] for row in rows] == ["train"] * 12 + ["validation"] * 2 + ["test"] * 3
    first, second = ([row[f"ValueToPredict_{number}"] for row in rows] for number in (0, 1))
    assert (first[:3], second[:3], first[12:14]) == (["0", "2", "4"], ["1", "3", "5"], ["0", "2"])
    assert rows[11]["SubjectID"] == "train_11"
    assert any("2 labels" in note for note in made.notes)


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "train_masks": IMAGES}
    made, _ = unpacked(archive(tmp_path, **arrays), tmp_path / "out")
    assert any("train_masks" in note for note in made.notes)


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    labels = np.array([12345678.0, 0.1234567890123, 3.0])
    _, rows = unpacked(archive(tmp_path, val_images=of("uint8", 4, 4), val_labels=labels), tmp_path / "out")
    assert [float(row["ValueToPredict"]) for row in rows] == labels.tolist()


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"pictures": IMAGES}, "no images are named here"),
        ({"train_images": IMAGES}, "array train_labels"),
        ({"train_images": IMAGES, "train_labels": LABELS[:2]}, "do not go together"),
        ({"train_images": IMAGES, "train_labels": np.array([{}, 1, 2], object)}, "kind that is not read"),
        ({"train_images": IMAGES, "train_labels": np.array(["a", "b", "c"])}, "kind that is not read"),
        ({"train_images": np.asfortranarray(IMAGES), "train_labels": LABELS}, "column-wise"),
        ({"train_images": IMAGES.astype(float), "train_labels": LABELS}, "uint8, which PNG holds"),
        ({"train_images": IMAGES[0, 0], "train_labels": LABELS}, "no images"),
        ({"train_images": IMAGES[:0], "train_labels": LABELS[:0]}, "no images"),
        ({"train_images": IMAGES, "train_labels": np.array([0, np.nan, 1])}, "no number"),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "val_images": of("uint8", 5, 4), "val_labels": LABELS},
            "differ in size",
        ),
        (
            {"train_images": IMAGES, "train_labels": LABELS, "val_images": IMAGES, "val_labels": LABELS[:, None]},
            "differ in number",
        ),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_is_left(tmp_path: Path, arrays: dict[str, Any], told: str) -> None:
    path = archive(tmp_path, **arrays)
    with pytest.raises(InputError, match=told):
        import_npz(path, tmp_path / "out", Silent())
    assert [file.name for file in tmp_path.iterdir()] == ["set.npz"]


def test_all_that_headers_show_is_told_at_once(tmp_path: Path) -> None:
    path = archive(tmp_path, train_images=IMAGES, val_images=IMAGES, val_labels=LABELS[:2])
    with pytest.raises(InputError) as error:
        import_npz(path, tmp_path / "out", Silent())
    assert len(error.value.problems) == 2


def test_damage_is_told_in_words(tmp_path: Path) -> None:
    path = archive(tmp_path, train_images=of("uint8", 64, 64), train_labels=LABELS)
    whole = path.read_bytes()
    for content in (b"", b"no zip", whole[: len(whole) // 2], whole[:2000] + b"\0" * 500 + whole[2500:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read to its end"):
            import_npz(path, tmp_path / "out", Silent())
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("train_images.npy", b"no array")
        made.writestr("train_labels.npy", whole[:10])
    with pytest.raises(InputError, match="header cannot be read"):
        import_npz(path, tmp_path / "out", Silent())
    assert [file.name for file in tmp_path.iterdir()] == ["set.npz"]


def test_an_encrypted_archive_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path, train_images=IMAGES, train_labels=LABELS)
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(signature, place + 4)
    path.write_bytes(content)
    with pytest.raises(InputError, match="encrypted"):
        import_npz(path, tmp_path / "out", Silent())


def test_an_array_that_says_more_than_it_holds(tmp_path: Path) -> None:
    path, labels = tmp_path / "set.npz", tmp_path / "labels.npy"
    np.save(labels, np.zeros(10**6, np.uint8))
    with zipfile.ZipFile(path, "w") as made, labels.open("rb") as header:
        start = header.read(128)
        made.writestr("train_images.npy", start.replace(b"(1000000,), }", b"(1000000,8,8)}") + bytes(640))
        made.writestr("train_labels.npy", start + bytes(10**6))
    labels.unlink()
    with pytest.raises(InputError, match="ends too early"):
        import_npz(path, tmp_path / "out", Silent())


def test_nothing_is_replaced_and_what_a_kill_left_is_no_hindrance(tmp_path: Path) -> None:
    path, out = archive(tmp_path, train_images=IMAGES, train_labels=LABELS), tmp_path / "out"
    (tmp_path / ".out.wardround-part" / "images").mkdir(parents=True)
    done = CliRunner().invoke(app, ["import-npz", str(path), "--out", str(out)], catch_exceptions=False)
    assert "3 train" in done.output
    assert "next: wardround check" in done.output
    with pytest.raises(InputError, match="nothing is replaced"):
        import_npz(path, out, Silent())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "set.npz"]


def test_the_published_shapes_are_counted() -> None:
    assert case_count(shared_data() / "adrenal_shapes" / "adrenal_shapes.npz") == 1286
