"""Data sets of real lesions: KiTS, the Medical Segmentation Decathlon, patients' images of several modalities, folders.

::

    case_00000/imaging.nii.gz, segmentation.nii.gz                       kits     2 tumour, 3 cyst
    imagesTr/<case>.nii.gz, labelsTr/<case>.nii.gz, dataset.json         msd      labels named cancer, tumour, cyst ...
    images/<case>.nii.gz, masks/<case>.nii.gz                            folders  every label is a lesion
    <patient>/CT_image.nii.gz, CT_mask.nii.gz; likewise PET, MR_T1       patients every label is a lesion

Beside any of these, `attributes.csv` may say what radiologists wrote of the lesions: columns `case`, and as far as they
are known `lesion` (1 for the largest of the case, 2 for the next; without the column the largest), `kind`, `zero_shot`
(yes or no), `shape`, `invasion`, `density`, `heterogeneity`, `surface`, in the words of the template's Table 1.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hyoid.anatomy.lesion_attributes import ATTRIBUTE_WORDS, ATTRIBUTES
from hyoid.errors import UnreadableFileError
from hyoid.volume import Quantity

MODALITIES = {"CT": Quantity.HU, "PET": Quantity.SUV, "MR_T1": Quantity.MR}
"""Images of a patient with lesions, by the beginning of their file's name."""
LOOKS = (
    "<case>/imaging.nii.gz and segmentation.nii.gz (KiTS)",
    "imagesTr, labelsTr and dataset.json (MSD)",
    "images/<case>.nii.gz and masks/<case>.nii.gz",
    "<patient>/CT_image.nii.gz and CT_mask.nii.gz, or PET or MR_T1 in place of CT",
)
TABLE = "attributes.csv"
_KITS = {2: "kidney tumor", 3: "kidney cyst"}
_LESION_NAME = re.compile(r"cancer|tumou?r|cyst|lesion|metasta|nodule", re.IGNORECASE)
_COLUMNS = ("case", "lesion", "kind", "zero_shot", *ATTRIBUTES)
Found = tuple[str, Path, Path, Mapping[int, str] | None]
"""Name, image, mask, and lesion types by label, of a CT."""
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0", "")


@dataclass(frozen=True)
class LesionRow:
    """What the table says of one lesion.

    Parameters
    ----------
    lesion : int
        1 for the largest lesion of the case, 2 for the next.
    kind : str
        Lesion type; empty where the table does not say.
    zero_shot : bool
        Whether the type is reserved: never trained on.
    attributes : dict of str to str
        Class by attribute, those that are known.
    """

    lesion: int
    kind: str
    zero_shot: bool
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class LesionFiles:
    """Image and mask of one case with lesions.

    Parameters
    ----------
    name : str
        Name of the case.
    image, mask : Path
        Scan, and label map on the same grid.
    kinds : dict of int to str, optional
        Lesion type by label; None: every label is a lesion of no known type.
    rows : tuple of LesionRow
        What the table says of this case's lesions.
    quantity : Quantity
        What the image's numbers are.
    patient : str
        Whose case this is, where a patient has several.
    """

    name: str
    image: Path
    mask: Path
    kinds: Mapping[int, str] | None
    rows: tuple[LesionRow, ...] = field(default=())
    quantity: Quantity = Quantity.HU
    patient: str = ""


def find_lesion_files(folder: Path) -> tuple[LesionFiles, ...]:
    """Find the cases of a folder in any of the four layouts, in order of name; none where it holds none.

    Raises
    ------
    UnreadableFileError
        When `attributes.csv` or `dataset.json` is not understood, or the table names a case that is not there.
    """
    found: list[Found] = [
        (mask.parent.name, mask.with_name("imaging.nii.gz"), mask, _KITS)
        for mask in sorted(folder.glob("*/segmentation.nii.gz"))
    ]
    if (folder / "dataset.json").is_file() and (folder / "labelsTr").is_dir():
        kinds = _lesion_labels(folder / "dataset.json")
        found += _beside(folder / "labelsTr", folder / "imagesTr", kinds)
    if (folder / "masks").is_dir():
        found += _beside(folder / "masks", folder / "images", None)
    rows = _read_table(folder / TABLE) if (folder / TABLE).is_file() else {}
    cases = tuple(
        LesionFiles(name, image, mask, kinds, tuple(rows.pop(name, ())))
        for name, image, mask, kinds in found
        if image.is_file()
    ) + tuple(
        LesionFiles(
            f"{mask.parent.name}-{modality}", image, mask, None, tuple(rows.pop(f"{mask.parent.name}-{modality}", ())),
            quantity, mask.parent.name,
        )
        for modality, quantity in MODALITIES.items()
        for mask in sorted(folder.glob(f"*/{modality}_mask.nii.gz"))
        if (image := mask.with_name(f"{modality}_image.nii.gz")).is_file()
    )  # fmt: skip
    if cases and rows:
        raise UnreadableFileError(
            f"{TABLE} names {len(rows)} case(s) that are not there, the first {next(iter(rows))!r}.",
            "Write the name of the file or folder without its ending into the column `case`.",
        )
    return cases


def _beside(masks: Path, images: Path, kinds: Mapping[int, str] | None) -> list[Found]:
    """Masks of a folder with their images: of the same name, or with the number of nnU-Net's first channel."""
    found: list[Found] = []
    for mask in sorted(p for p in masks.glob("*.nii.gz") if not p.name.startswith(".")):
        name = mask.name.removesuffix(".nii.gz")
        image = next(
            (p for p in (images / mask.name, images / f"{name}_0000.nii.gz") if p.is_file()), images / mask.name
        )
        found.append((name, image, mask, kinds))
    return found


def _lesion_labels(file: Path) -> dict[int, str]:
    """Labels of a decathlon task that are lesions, by their names; both spellings of `labels` are read."""
    try:
        labels = json.loads(file.read_text(encoding="utf-8"))["labels"]
        pairs = [(int(k), str(v)) if str(k).isdigit() else (int(v), str(k)) for k, v in labels.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableFileError(
            "dataset.json holds no labels that can be read.", "Give the task's own file."
        ) from error
    found = {label: name for label, name in pairs if label and _LESION_NAME.search(name)}
    if not found:
        names = ", ".join(name for _, name in pairs)
        raise UnreadableFileError(
            f"None of the labels in dataset.json is named as a lesion: {names}.", "Give a task with lesions."
        )
    return found


def _read_table(file: Path) -> dict[str, list[LesionRow]]:
    """Rows of a table by case."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        unknown = sorted(set(reader.fieldnames or ()) - set(_COLUMNS))
        if "case" not in (reader.fieldnames or ()) or unknown:
            what = f"the unknown column {unknown[0]!r}" if unknown else "no column `case`"
            raise UnreadableFileError(f"{TABLE} has {what}.", f"Its columns are {', '.join(_COLUMNS)}.")
        rows: dict[str, list[LesionRow]] = {}
        for number, row in enumerate(reader, start=2):
            rows.setdefault((row["case"] or "").strip(), []).append(
                _row({k: (v or "").strip() for k, v in row.items()}, number)
            )
    return rows


def _row(cells: Mapping[str, str], line: int) -> LesionRow:
    lesion, zero_shot = cells.get("lesion") or "1", cells.get("zero_shot", "").lower()
    if not lesion.isdigit() or lesion == "0":
        raise UnreadableFileError(f"Line {line} of {TABLE}: {lesion!r} is no number of a lesion.", "Count from 1.")
    if zero_shot not in (*_YES, *_NO):
        raise UnreadableFileError(f"Line {line} of {TABLE}: zero_shot is neither yes nor no.", "Write yes or no.")
    told = {name: _class_of(name, cells[name], line) for name in ATTRIBUTES if cells.get(name)}
    return LesionRow(int(lesion), cells.get("kind", ""), zero_shot in _YES, told)


def _class_of(attribute: str, word: str, line: int) -> str:
    """Class of an attribute by its key or its words, whatever the case."""
    for key, words in ATTRIBUTE_WORDS[attribute].items():
        if word.lower() in (key, words.lower()):
            return key
    known: Sequence[str] = tuple(ATTRIBUTE_WORDS[attribute].values())
    raise UnreadableFileError(
        f"Line {line} of {TABLE}: {attribute} has no class {word!r}.", f"Choose among: {'; '.join(known)}."
    )
