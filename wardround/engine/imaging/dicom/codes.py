"""Codes of SNOMED CT for the structures that a segmentation holds, by the names that classes usually have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Concept:
    """What a class is: a code of SNOMED CT, and its meaning."""

    value: str
    meaning: str


_ANATOMY = Concept("91723000", "Anatomical Structure")
_ABNORMAL = Concept("49755003", "Morphologically Abnormal Structure")
_TISSUE = Concept("85756007", "Tissue")
_ORGANS: Mapping[str, Concept] = MappingProxyType(
    {
        "liver": Concept("10200004", "Liver"),
        "spleen": Concept("78961009", "Spleen"),
        "kidney": Concept("64033007", "Kidney"),
        "heart": Concept("80891009", "Heart"),
        "lung": Concept("39607008", "Lung"),
        "brain": Concept("12738006", "Brain"),
        "spine": Concept("421060004", "Spine"),
        "vertebra": Concept("51282000", "Vertebra"),
        "pancreas": Concept("15776009", "Pancreas"),
        "prostate": Concept("41216001", "Prostate"),
        "bladder": Concept("89837001", "Bladder"),
        "stomach": Concept("69695003", "Stomach"),
        "aorta": Concept("15825003", "Aorta"),
        "gallbladder": Concept("28231008", "Gallbladder"),
        "esophagus": Concept("32849002", "Esophagus"),
        "hippocampus": Concept("5366008", "Hippocampus"),
        "cerebellum": Concept("113305005", "Cerebellum"),
        "breast": Concept("76752008", "Breast"),
        "bone": Concept("272673000", "Bone"),
    }
)
_LESIONS: Mapping[str, Concept] = MappingProxyType(
    {
        "tumour": Concept("108369006", "Neoplasm"),
        "tumor": Concept("108369006", "Neoplasm"),
        "neoplasm": Concept("108369006", "Neoplasm"),
        "lesion": Concept("52988006", "Lesion"),
        "edema": Concept("79654002", "Edema"),
        "oedema": Concept("79654002", "Edema"),
        "necrosis": Concept("6574001", "Necrosis"),
        "cyst": Concept("367643001", "Cyst"),
        "nodule": Concept("27925004", "Nodule"),
    }
)


def concepts_of(name: str) -> tuple[Concept, Concept]:
    """The category and the type of a class by its name; tissue, where nobody knows the name: the label tells it."""
    words = [_singular(word) for word in re.split(r"[^a-z]+", name.lower())]
    for known, category in ((_LESIONS, _ABNORMAL), (_ORGANS, _ANATOMY)):
        found = next((known[word] for word in words if word in known), None)
        if found is not None:
            return category, found
    return _TISSUE, _TISSUE


def _singular(word: str) -> str:
    return word.removesuffix("s") if word not in ("pancreas", "esophagus", "hippocampus", "necrosis") else word
