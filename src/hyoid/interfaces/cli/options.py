"""Options that several commands share: each stands here once, with its type, its name and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Folder for the results; a used one is refused.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Empty a used output folder before the run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print machine-readable events instead of progress bars.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done and stop.")]
DeviceName = Annotated[str, typer.Option(help="Where the networks run: auto, cpu or cuda.")]
PrecisionName = Annotated[
    str | None, typer.Option(help="Arithmetic of the networks: f32 or bf16; by default what each model's card allows.")
]

# Which scan of those that were given.
WhichStudy = Annotated[
    str | None,
    typer.Option("--study", help="Study to read, where there are several: its number by date, or its UID."),
]
CtSeries = Annotated[str | None, typer.Option(help="CT series to read: its UID, number or description.")]
Regularize = Annotated[bool, typer.Option(help="Fill missing slices by interpolation; the report says so.")]

# What whoever asks says of patient and question.
Question = Annotated[str, typer.Option(help="Clinical question, printed in the report; no names.")]
PostTreatment = Annotated[
    bool | None,
    typer.Option("--post-treatment/--untreated", help="State of treatment; after treatment NI-RADS is prepared."),
]
Prior = Annotated[
    Path | None,
    typer.Option(help="Earlier examination: report.json, the folder of a run, or a CT with outlines (RTSTRUCT, SEG)."),
]
PriorMasks = Annotated[
    Path | None,
    typer.Option(help="A reader's outlines on the earlier CT, where its folder does not hold one RTSTRUCT or SEG."),
]

# A reader's outlines, and staging, which rests on these.
ReaderOutlines = Annotated[
    Path | None,
    typer.Option(help="A reader's tumour and nodes: label map (1 GTVp, 2 GTVn), RTSTRUCT or DICOM SEG."),
]
PrimaryNames = Annotated[
    list[str] | None, typer.Option(help="Name of the primary tumour in --reader-masks, where names do not tell.")
]
NodeNames = Annotated[
    list[str] | None, typer.Option(help="Name of an involved node in --reader-masks; may be given several times.")
]
StageSite = Annotated[
    str | None,
    typer.Option(help="Primary site; adds cT and cN from --reader-masks for confirmation, e.g. 'oral cavity'."),
]
Editions = Annotated[list[str] | None, typer.Option(help="TNM edition to stage by, 7 or 8; both by default.")]
DepthMm = Annotated[float | None, typer.Option(help="Depth of invasion for staging, mm.", min=0.1)]
AllNodes = Annotated[
    bool, typer.Option("--all-nodes", help="State that every involved node is outlined in --reader-masks.")
]

# What is written.
ExportNames = Annotated[
    str, typer.Option(help="Names of structures in SEG and RTSTRUCT: tg263, hyoid, or a YAML file.")
]
Formats = Annotated[
    str | None,
    typer.Option(
        help="Further forms of the report, joined by commas: sr, pdf, fhir, or none; by default sr where the study is "
        "DICOM."
    ),
]
RegistryFile = Annotated[
    Path | None,
    typer.Option(help="Table to which a row on this run is added: a .csv file, or a folder ending in .parquet."),
]
Identifiers = Annotated[
    bool,
    typer.Option(
        "--identifiers",
        help="Write StudyInstanceUID, accession number and (FHIR) patient ID into report.json, FHIR and registry.",
    ),
]
WithTemplate = Annotated[
    bool, typer.Option("--template", help="Write the full template of Appendix C too (template.txt).")
]

# Networks in the places of hyoid's own (docs/models.md).
ModelsPath = Annotated[
    Path | None,
    typer.Option(
        "--models",
        help="File of models (YAML): networks in the places of hyoid's own, and which outlines what.",
    ),
]
OrganNetworks = Annotated[
    list[str] | None,
    typer.Option(
        "--organs",
        help="Network that outlines organs: package, nnU-Net folder or fetched weights; repeat for several, 'default' "
        "adds the usual ones.",
    ),
]
NoOrgans = Annotated[bool, typer.Option("--no-organs", help="Leave organs out: sites and levels stay open.")]
TumourNetwork = Annotated[
    str | None,
    typer.Option("--tumour", help="Network that localises the tumour: package, or nnU-Net folder with a target label."),
]
ClassifierNetwork = Annotated[
    str | None, typer.Option("--classifier", help="Package that classifies what the tumour involves.")
]
InteractiveNetwork = Annotated[
    str | None, typer.Option("--model", help="Interactive model to use, by name or folder; by default isrg.")
]
