"""Manifests of two public tables, as their sources publish them, for the ready studies of their names.

    python -m benchmarks.tables heart_disease DATA --out heart.csv
    wardround fit configs/heart_disease/study.yaml --manifest heart.csv --out run --folds all
    python -m benchmarks.tables tcga_brca DATA --out brca.csv
    wardround fit configs/tcga_brca/study.yaml --manifest brca.csv --out run

DATA holds the files of UCI's Heart Disease (doi:10.24432/C52P4X), or those of FLamby's Fed-TCGA-BRCA (Ogier du Terrail
et al. 2022), whose fixed sets become the column `Split`. With `--site` the manifest of one hospital, for a federation.
`--complete` leaves out the rows in which one of the ten columns is missing that FLamby's Fed-Heart keeps.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import run
from wardround.lab.manifests import write_manifest

HEART = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal"),
)
"""The columns of the files that have no header, before the diagnosis, which is the last one."""
KEPT = HEART[:10]
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
Row = dict[str, str]
app = typer.Typer(add_completion=False)


def heart_rows(folder: Path) -> Iterator[Row]:
    """Each patient of the four hospitals; `ValueToPredict` is 0 to 4, and `?` a missing value."""
    for hospital in HOSPITALS:
        with (folder / f"processed.{hospital}.data").open(newline="", encoding="utf-8") as handle:
            for number, cells in enumerate(csv.reader(handle)):
                features = dict(zip(HEART, cells, strict=False))
                yield {
                    "SubjectID": f"{hospital}-{number:03d}",
                    "Site": hospital,
                    **features,
                    "ValueToPredict": cells[-1],
                }


def brca_rows(folder: Path) -> Iterator[Row]:
    """Each patient of the six centres, with the set in which it is: the others are in no published split."""
    with (folder / "train_test_split.csv").open(newline="", encoding="utf-8") as handle:
        sets = {row["pid"]: row["fold2"].split("_") for row in csv.DictReader(handle)}
    with (folder / "brca.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            patient = row.pop("pid")
            if patient in sets:
                split, centre = sets[patient]
                ends = {"Time": row.pop("T"), "Event": row.pop("E"), "Split": split}
                yield {"SubjectID": patient, "Site": f"centre-{centre}", **row, **ends}


TABLES: Mapping[str, Callable[[Path], Iterator[Row]]] = {"heart_disease": heart_rows, "tcga_brca": brca_rows}


def manifest_of(rows: Iterator[Row], out: Path) -> Path:
    """Write rows as a manifest; each is a patient of its own."""
    found = [{"PatientID": row["SubjectID"], **row} for row in rows]
    if not found:
        raise InputError.one("no row is left", where=str(out), remedy="Name one of the sites, or none")
    return write_manifest(out, [*found[0]], ([*row.values()] for row in found))


@app.command()
def write(
    name: Annotated[str, typer.Argument(help=f"The table: {', '.join(TABLES)}.")],
    source: Annotated[Path, typer.Argument(help="The folder with its files.")],
    out: Annotated[Path, typer.Option(help="The CSV to write.")],
    site: Annotated[str | None, typer.Option(help="One of its hospitals.")] = None,
    complete: Annotated[bool, typer.Option("--complete", help="Rows of the heart table that FLamby keeps.")] = False,
) -> None:
    """Write the manifest."""
    if name not in TABLES:
        raise InputError.one("unknown table", got=repr(name), expected=" or ".join(TABLES))
    rows = (row for row in TABLES[name](source) if site in (None, row["Site"]))
    whole = (row for row in rows if not complete or "?" not in {row.get(column) for column in KEPT})
    print(manifest_of(whole, out))


if __name__ == "__main__":
    sys.exit(run(app))
