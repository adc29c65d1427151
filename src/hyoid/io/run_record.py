"""`run.json`: what a run read, which models and options it used, what it delivered; the same form for every system.

Nothing in it identifies a patient: no header text, no file or folder name, no free text from a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hyoid.errors import UnreadableFileError

RUN_FILE: Final = "run.json"
ORGANS_FILE: Final = "organs.nii.gz"
TARGETS_FILE: Final = "targets.nii.gz"
"""Label maps that every system leaves under the same names: organs, and 1 GTVp with 2 GTVn."""
EMPTY_OR_FAILED: Final = 5
"""Exit code of a run that finished with nothing outlined, or with a result that failed its own check."""
SCHEMA_VERSION: Final = "2.0"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MachineRecord(_Frozen):
    """Where a run took place.

    Attributes
    ----------
    system : str
        Operating system.
    processor : str
        Kind of processor.
    device : str
        Where the networks ran, "cpu" or "cuda".
    """

    system: str
    processor: str
    device: str


class ModelRecord(_Frozen):
    """A network that ran.

    Attributes
    ----------
    version, licence, training_data : str
        As its manifest says; for a foreign folder what is known of its source.
    sha256 : str
        Of its weights, hexadecimal; empty where the folder carries none.
    precision : str
        Arithmetic that was used, "f32" or "bf16"; empty where that was not kept.
    folds : tuple of str
        Members that were averaged, where the model is a folder of folds.
    trainer : str
        nnU-Net's trainer, for such folders.
    """

    version: str = ""
    sha256: str = ""
    licence: str
    training_data: str
    precision: str = ""
    folds: tuple[str, ...] = ()
    trainer: str = ""


class SeriesRecord(_Frozen):
    """A DICOM series in words that identify nobody.

    Attributes
    ----------
    number_in_study : int
        From 1, in the order of series number.
    modality : str
    slices : int
    plane : str
        "axial", "coronal", "sagittal", or empty where the images have no orientation.
    original : bool
        Neither derived, projected nor reformatted.
    why : str
        Why this series was read.
    others : int
        Further series that the study holds.
    """

    number_in_study: int
    modality: str
    slices: int
    plane: str
    original: bool
    why: str
    others: int


class ScanRecord(_Frozen):
    """An image that went in.

    Attributes
    ----------
    fingerprint : str
        SHA-256 of voxels and geometry.
    series : SeriesRecord or None
        None for a volume file.
    shape : tuple of int
        Slices, rows, columns.
    spacing_mm : tuple of float
        Between slices, rows, columns.
    warnings : tuple of str
        What was repaired, set aside or passed over while reading.
    provenance : dict of str to float
        What was done to the grid.
    """

    fingerprint: str
    series: SeriesRecord | None
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    warnings: tuple[str, ...] = ()
    provenance: dict[str, float] = {}


class StructureRecord(_Frozen):
    """One structure that was delivered, or left out with a reason.

    Attributes
    ----------
    label : int
        In `masks.nii.gz`; for a foreign model, the model's own.
    name : str
        Key of the structure; segments and contours carry the same one.
    volume_ml : float
        Of the whole structure, whatever lies over it.
    outlined_by : str
        In the words of `hyoid.provenance`: "network NAME VERSION", "reader", "reader edited NAME VERSION".
    doubts : tuple of str
        In which respect the outline lies outside what is plausible for its structure.
    left_out : str
        Why it is not in the files; empty where it is.
    """

    label: int
    name: str
    volume_ml: float
    outlined_by: str = ""
    doubts: tuple[str, ...] = ()
    left_out: str = ""


class RunRecord(_Frozen):
    """One run of one command on one study.

    Attributes
    ----------
    schema_version : str
        Of this form.
    command : str
        The command's name.
    statement : str
        What the results may be used for.
    hyoid, python : str
        Versions.
    packages : dict of str to str
        Versions of the libraries that decide the numbers.
    machine : MachineRecord
    models : dict of str to ModelRecord
        Networks that ran, by name.
    inputs : dict of str to ScanRecord
        Images by their part in the run: "ct", "pet", "pre", "mid", "channel_0", ...
    options : dict
        Options of the command that decide the result.
    facts : dict
        What the system's stages found on the way.
    structures : tuple of StructureRecord
    files : tuple of str
        Names of the files beside this one.
    seconds : dict of str to float
        Time of each stage.
    notes : tuple of str
        What a reader must know of the result.
    empty : bool
        No lesion was outlined or predicted where one was looked for.
    failed : bool
        A result failed its own check; the notes say which.
    """

    schema_version: Literal["2.0"] = SCHEMA_VERSION
    command: str
    statement: str
    hyoid: str
    python: str
    packages: dict[str, str]
    machine: MachineRecord
    models: dict[str, ModelRecord]
    inputs: dict[str, ScanRecord]
    options: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    structures: tuple[StructureRecord, ...] = ()
    files: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    notes: tuple[str, ...] = Field(default=())
    empty: bool
    failed: bool = False


def write_run(folder: Path, record: RunRecord) -> Path:
    """Write `run.json` into an existing folder.

    Parameters
    ----------
    folder : Path
        Folder of results.
    record : RunRecord
        Inputs, models, options and outputs of the run.

    Returns
    -------
    Path
        The file.
    """
    path = folder / RUN_FILE
    path.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def read_run(folder: Path) -> RunRecord:
    """Read `run.json` from a folder of results.

    Parameters
    ----------
    folder : Path
        Folder of results with its `run.json`.

    Raises
    ------
    UnreadableFileError
        When the file is absent, damaged, or of another version.
    """
    try:
        return RunRecord.model_validate_json((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise UnreadableFileError(
            f"run.json cannot be read ({type(error).__name__}): it is absent, damaged, or of another version.",
            "Give a folder of results that this version of hyoid wrote.",
        ) from None


def json_schema() -> dict[str, Any]:
    """Make the JSON Schema (2020-12) of `run.json`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunRecord.model_json_schema()}
