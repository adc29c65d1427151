"""`hyoid petct`: PET/CT to tumour, nodes and a report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.cli.console import Teller
from hyoid.interfaces.cli.report import write_dicom
from hyoid.interfaces.delivery import finish, run_record, scan_record
from hyoid.interfaces.installed import OUTLINING, TEMPLATE, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named, precision_named
from hyoid.io.atomic import output_folder
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.petct import Activity, PetRequest, read_petct
from hyoid.report.pages.write import write_report
from hyoid.systems.machine import Machine
from hyoid.systems.petct.pipeline import PetCtModels
from hyoid.systems.petct.report import PetCtReport, petct_report

HEAD, COARSE = "petct-head", "petct-coarse"
FINE = ("petct-resenc", "petct-segresnet")


@dataclass(frozen=True)
class PetCtOrder:
    """What a user asked for.

    Parameters
    ----------
    study, out : Path
    pet : PetRequest
    models : PetCtModels
    organs : bool
    device : str
    precision, series : str or None
    regularize : bool
    """

    study: Path
    out: Path
    pet: PetRequest
    models: PetCtModels
    organs: bool = True
    device: str = "auto"
    precision: str | None = None
    series: str | None = None
    regularize: bool = False


def petct(
    study: Annotated[Path, typer.Argument(help="DICOM folder or zip with CT and PET; HECKTOR folder; or the CT file.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("hyoid-petct"),
    pet: Annotated[Path | None, typer.Option(help="PET file, beside a CT file.")] = None,
    pet_units: Annotated[str | None, typer.Option(help="Of a PET file: suv or bqml.")] = None,
    weight_kg: Annotated[float | None, typer.Option(min=1, max=400, help="bqml: body weight.")] = None,
    dose_mbq: Annotated[float | None, typer.Option(min=1, help="bqml: dose left at the scan.")] = None,
    pet_series: Annotated[str | None, typer.Option(help="PET series UID, number or description.")] = None,
    ct_only: Annotated[bool, typer.Option("--ct-only", help="Leave the PET out.")] = False,
    organs: Annotated[bool, typer.Option(help="Outline organs too: sites, levels, involvement.")] = True,
    head: Annotated[str, typer.Option(help="Package of stage 1.")] = HEAD,
    coarse: Annotated[str, typer.Option(help="Package of stage 2.")] = COARSE,
    fine: Annotated[list[str] | None, typer.Option(help="Packages of stage 3; may be given ten times.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str | None, typer.Option(help="f32 or bf16; by default what each model's card allows.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="CT series UID, number or description.")] = None,
    regularize: Annotated[bool, typer.Option(help="Fill missing slices by interpolation, and say so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Outline primary tumour (GTVp) and involved nodes (GTVn) on PET/CT, and report on them. Research use only."""
    teller = Teller(as_json=as_json)
    request = pet_request(pet, pet_units, weight_kg, dose_mbq, pet_series, ct_only=ct_only)
    models = petct_models(head, coarse, fine)
    order = PetCtOrder(study, out, request, models, organs, device, precision, series, regularize)
    with teller.bars():
        result = run_petct(order, teller)
    finish(result.report, out, teller)


def pet_request(
    file: Path | None,
    units: str | None,
    weight_kg: float | None,
    dose_mbq: float | None,
    series: str | None,
    *,
    ct_only: bool,
) -> PetRequest:
    """What the options say about the PET.

    Raises
    ------
    UsageError
        When they contradict each other.
    """
    if units not in (None, "suv", "bqml"):
        raise UsageError(f"There are no PET units {units!r}.", "Choose suv or bqml.")
    if (weight_kg is None) != (dose_mbq is None):
        raise UsageError("Weight and dose belong together.", "Give both --weight-kg and --dose-mbq, or neither.")
    if units != "bqml" and weight_kg is not None:
        raise UsageError("Weight and dose turn Bq/mL of a file into SUV.", "Add --pet-units bqml, or leave them out.")
    if ct_only and (file is not None or series is not None):
        raise UsageError("--ct-only leaves the PET out, and a PET was named.", "Give one of them.")
    activity = None if weight_kg is None or dose_mbq is None else Activity(weight_kg, dose_mbq * 1e6)
    return PetRequest(file, units, activity, series, ct_only)


def petct_models(head: str = HEAD, coarse: str = COARSE, fine: list[str] | None = None) -> PetCtModels:
    """The networks by name or folder; errors as of `load_model`."""
    return PetCtModels(load_model(head), load_model(coarse), tuple(load_models(fine or FINE)))


def run_petct(order: PetCtOrder, teller: Teller) -> PetCtReport:
    """Read, find, report, write; `order.out` appears complete or not at all."""
    machine = Machine(device_named(order.device), cache_folder(), precision_named(order.precision))
    if machine.device == "cpu" and not any(machine.cache.glob("petct-*.xml")):
        teller.say("First run on this machine: the networks are compiled once, which takes a minute or two.")
    study = read_petct(
        order.study,
        order.pet,
        series=order.series,
        regularize=order.regularize,
        on_progress=lambda done, total: teller.progress("read", done, total),
    )
    outlining = load_models(OUTLINING) if order.organs else []
    template = load_model(TEMPLATE) if order.organs else None
    result = petct_report(study, order.models, outlining, machine, template=template, on_progress=teller.progress)
    with output_folder(order.out) as folder:
        teller.progress("write", 0, 2)
        write_report(folder, result.report, to_canonical(result.ct), to_canonical(result.labels))
        teller.progress("write", 1, 2)
        write_nifti(result.labels, folder / "masks.nii.gz")
        write_nifti(result.targets.labels, folder / "targets.nii.gz")
        teller.progress("write", 2, 2)
        write_dicom(folder, study.ct, result.labels, teller)
        asked = [] if template is None or template.manifest.name not in result.precisions else [template]
        used = told_apart((*order.models.all, *outlining, *asked))
        record = run_record(
            result.report,
            used,
            {name: result.precisions[package.manifest.name] for name, package in used.items()},
            {
                "ct": scan_record(study.ct),
                "pet": None if study.pet is None else scan_record(study.pet),
                "suv": study.suv_words,
            },
            machine,
            teller,
            stages=result.targets.facts,
            notes=list(result.targets.warnings),
        )
        (folder / "run.json").write_text(json.dumps(record, indent=1))
    return result


def told_apart(used: Sequence[ModelPackage]) -> dict[str, ModelPackage]:
    """Packages by name; folds of one recipe have the same name and are numbered from the second on."""
    named: dict[str, ModelPackage] = {}
    for package in used:
        name, number = package.manifest.name, 1
        while name in named:
            number += 1
            name = f"{package.manifest.name} ({number})"
        named[name] = package
    return named
