"""`hyoid grand-challenge`: PET/CT and mid-treatment MR behind the folders of challenges; no network is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.geometry.orientation import from_canonical
from hyoid.interfaces.chosen_models import asked_models, midrt_sources, petct_models
from hyoid.interfaces.cli.options import AsJson, DeviceName, PrecisionName
from hyoid.interfaces.installed import PETCT_COARSE, PETCT_FINE, PETCT_HEAD
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import write_text
from hyoid.io.files.volumes import image_suffix, read_image, read_labels, write_image
from hyoid.io.petct import PetRequest, read_petct
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.pipeline import Pair, canonical_pair, midrt
from hyoid.systems.petct.pipeline import PetCtModels, find_targets
from hyoid.systems.petct.stages import challenge_stages
from hyoid.volume import Quantity, Volume


@dataclass(frozen=True)
class Challenge:
    """Folders of one challenge, below /input and /output.

    Parameters
    ----------
    ct, pet : str
        Folders that hold the image of the CT and of the PET, below /input.
    segmentation : str
        The mask: uint8, 0 background, 1 GTVp, 2 GTVn, on the grid of the CT.
    t_stage, n_stage : str
        JSON files with one string each, such as "T2"; empty where the challenge asks for none.
    """

    ct: str
    pet: str
    segmentation: str
    t_stage: str = ""
    n_stage: str = ""


CHALLENGES = {
    "hecktor2025": Challenge("images/ct", "images/pet", "images/tumor-lymph-node-segmentation/output.mha"),
    "hecktor2026": Challenge(
        "images/ct", "images/pet", "images/head-neck-tumor-segmentation/output.mha", "t-stage.json", "n-stage.json"
    ),
}
HNTSMRG = "hntsmrg2024"  # task 2: tumour and nodes on MR during treatment
_MIDRT_PLACES = {
    "mid": "images/mid-rt-t2w-head-neck",
    "pre": "images/pre-rt-t2w-head-neck",
    "outlines": "images/pre-rt-head-neck-segmentation",
    "carried": "images/registered-pre-rt-head-neck-segmentation",
}
_MIDRT_OUTPUT = "images/mri-head-neck-segmentation/output.mha"


def grand_challenge(
    challenge: Annotated[
        str, typer.Argument(help=f"Challenge whose folders are used: {', '.join((*CHALLENGES, HNTSMRG))}.")
    ],
    input_: Annotated[Path, typer.Option("--input", help="Input folder of the challenge.")] = Path("/input"),
    output: Annotated[Path, typer.Option(help="Output folder of the challenge.")] = Path("/output"),
    models: Annotated[
        Path | None,
        typer.Option(
            help="Folder of model packages: petct-head, petct-coarse and the fine ones; hntsmrg2024: one per fold; by "
            "default those installed."
        ),
    ] = None,
    device: DeviceName = "auto",
    precision: PrecisionName = None,
    as_json: AsJson = False,
) -> None:
    """Outline one patient of a challenge, reading and writing where its containers do. Research use only."""
    if challenge not in (*CHALLENGES, HNTSMRG):
        known = ", ".join((*CHALLENGES, HNTSMRG))
        raise UsageError(f"There is no challenge {challenge!r}.", f"Choose one of {known}.")
    terminal = Terminal(as_json=as_json)
    if challenge == HNTSMRG:
        _outline_midrt(input_, output, models, machine_named(device, precision), terminal)
        return
    places = CHALLENGES[challenge]
    chosen = petct_models() if models is None else _models_in(models)
    machine = machine_named(device, precision)
    with terminal.bars():
        ct, pet = (_only_image(input_ / folder, name) for folder, name in ((places.ct, "CT"), (places.pet, "PET")))
        study = read_petct(ct, PetRequest(file=pet, units="suv"))
        assert study.pet is not None
        found = find_targets(study.ct.volume, study.pet.volume, chosen, machine, terminal.progress)
        target = output / places.segmentation
        mask = Volume(found.labels.array.astype(np.uint8), study.ct.volume.geometry, Quantity.LABEL)
        write_image(mask, target)
        if places.t_stage:
            stages = challenge_stages(study.ct.volume, mask)
            for name, stage in zip((places.t_stage, places.n_stage), stages, strict=True):
                write_text(output / name, json.dumps(stage))
    voxels = {name: int((mask.array == label).sum()) for label, name in ((1, "GTVp"), (2, "GTVn"))}
    terminal.event("done", output=places.segmentation, voxels=voxels, notes=list(found.warnings), stages=found.facts)
    for warning in found.warnings:
        terminal.note(warning)
    terminal.say(f"{json.dumps(voxels)} -> {target}")


def _outline_midrt(input_: Path, output: Path, models: Path | None, machine: Machine, terminal: Terminal) -> None:
    """Outline one patient of HNTS-MRG on the mid-treatment MR; registered outlines are used where they are mounted."""
    holding = ("manifest.yaml", "plans.json")
    names = () if models is None else tuple(str(p.parent) for p in sorted(models.glob("*/*")) if p.name in holding)
    if models is not None and not names:
        raise UsageError(
            "The folder of models holds no package.",
            "Put one per fold of `hyoid train midrt` into it, or nnU-Net folders.",
        )
    packages = midrt_sources(asked_models(midrt=names))
    with terminal.bars():
        files = {key: input_ / place for key, place in _MIDRT_PLACES.items()}
        mid, pre = (read_image(_only_image(files[key], key), Quantity.MR) for key in ("mid", "pre"))
        outlines = read_labels(_only_image(files["outlines"], "outlines"))
        supplied = files["carried"].is_dir() and any(image_suffix(p) for p in files["carried"].glob("*"))
        carried = read_labels(_only_image(files["carried"], "carried")) if supplied else None
        found = midrt(canonical_pair(Pair(pre, outlines, mid, carried)), packages, machine, terminal.progress)
        array = from_canonical(found.targets.array.astype(np.uint8), mid.geometry)
        write_image(Volume(array, mid.geometry, Quantity.LABEL), output / _MIDRT_OUTPUT)
    voxels = {name: int((array == label).sum()) for label, name in ((1, "GTVp"), (2, "GTVn"))}
    warnings = list(found.report.warnings)
    terminal.event("done", output=_MIDRT_OUTPUT, voxels=voxels, notes=warnings, registered=supplied)
    for warning in warnings:
        terminal.note(warning)
    terminal.say(f"{json.dumps(voxels)} -> {output / _MIDRT_OUTPUT}")


def _models_in(folder: Path) -> PetCtModels:
    """Stages one and two by name, every other package beside them as a fine network."""
    packages = sorted(p.parent for p in folder.glob("*/manifest.yaml"))
    fine = [str(p) for p in packages if p.name not in (PETCT_HEAD, PETCT_COARSE)]
    missing = [name for name in (PETCT_HEAD, PETCT_COARSE) if not (folder / name / "manifest.yaml").is_file()]
    if missing or not fine:
        raise UsageError(
            f"The folder of models lacks {', '.join(missing) or 'a fine network'}.",
            f"Put {PETCT_HEAD}, {PETCT_COARSE} and fine ones ({', '.join(PETCT_FINE)}, or one per fold) into it.",
        )
    return petct_models(asked_models(head=str(folder / PETCT_HEAD), coarse=str(folder / PETCT_COARSE), fine=fine))


def _only_image(folder: Path, name: str) -> Path:
    """The one image in a folder; challenges name it as they like."""
    found = [p for p in sorted(folder.glob("*")) if image_suffix(p)]
    if len(found) != 1:
        raise UnreadableFileError(
            f"The challenge's {name} folder holds {len(found)} images (.mha, .nii.gz); one is expected.",
            "Mount the input of one patient.",
        )
    return found[0]
