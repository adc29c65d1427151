"""The product from Python, in the words of the command line: every function returns a value that saves itself.

>>> import hyoid
>>> answer = hyoid.make_report("scan.zip", reader_masks="gtv.nii.gz")   # doctest: +SKIP
>>> answer.impression                                                   # doctest: +SKIP
>>> answer.save("result")                                               # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.errors import UsageError
from hyoid.evaluation.files import Layout
from hyoid.inference.nnunet import Options
from hyoid.interfaces.answers import (
    CohortAnswer,
    EvaluationAnswer,
    LabelAnswer,
    Patient,
    ReportAnswer,
    Scan,
    TextAnswer,
)
from hyoid.interfaces.chosen_models import (
    asked_models,
    midrt_sources,
    outlining,
    petct_models,
    report_models,
    template_package,
)
from hyoid.interfaces.clicks import checked_target, lesion_answer, parsed_click
from hyoid.interfaces.installed import load_model, nnunet_folder
from hyoid.interfaces.mr_pair import PairRequest, open_pair
from hyoid.interfaces.places import cache_folder, device_named, machine_named, precision_named
from hyoid.interfaces.results import ct_report_results, midrt_results, petct_results
from hyoid.interfaces.scoring import score
from hyoid.interfaces.terminal import Terminal
from hyoid.io import study as studies
from hyoid.io.packages.models_file import ModelsFile, models_stated
from hyoid.io.packages.nnunet_folder import read_nnunet_folder
from hyoid.io.petct import PetCtStudy, PetRequest, read_petct
from hyoid.io.reader_masks import ReaderMasks, find_reader_masks
from hyoid.io.study import Study
from hyoid.phantom.patient import PhantomOptions, virtual_patient
from hyoid.progress import Stages, ignore_stages
from hyoid.report.content.staging import StagingRequest
from hyoid.report.free_text.structure import Engine, structure_text
from hyoid.systems.ct_report.pipeline import structured_report
from hyoid.systems.examination import request
from hyoid.systems.midrt.pipeline import canonical_pair
from hyoid.systems.midrt.pipeline import midrt as follow_up
from hyoid.systems.organs import organs_before
from hyoid.systems.petct.pipeline import PetCtModels
from hyoid.systems.petct.report import petct_report
from hyoid.volume import Quantity

__all__ = [
    "cohort",
    "evaluate",
    "find_targets",
    "load_model",
    "make_phantom",
    "make_report",
    "midrt",
    "predict",
    "read_study",
    "segment_lesion",
    "structure",
]

Click = str | tuple[int, int, int]
"""A click: (slice, row, column) inside the lesion, or text as for `hyoid lesion --click`."""

Networks = Path | str | Mapping[str, Any] | None
"""Networks in the places of hyoid's own: a file of models, or its content (docs/models.md)."""

_MODALITY = {Quantity.HU: "CT", Quantity.MR: "MR"}


def read_study(
    path: str | Path,
    *,
    modality: str = "CT",
    series: str | None = None,
    study: str | None = None,
    regularize: bool = False,
) -> Scan:
    """Read the series of one modality from a study.

    Parameters
    ----------
    path : path
        Folder or zip with DICOM files, one DICOM file, or a NIfTI, NRRD, MHA or MHD file.
    modality : {"CT", "MR", "PT"}
        Modality (0008,0060) of the series to read.
    series : str, optional
        SeriesInstanceUID, number or description, where the automatic choice is not wanted.
    study : str, optional
        Number of the study from 1, in the order of dates, or its StudyInstanceUID, where there are several.
    regularize : bool
        Fill gaps between slices by interpolation.

    Returns
    -------
    Scan
        Voxels in HU, MR units or Bq/mL, with headers and warnings.

    Raises
    ------
    UnreadableFileError
        When nothing there can be read, or the archive is unsafe.
    SeveralStudiesError
        When there are several patients or studies, and none was chosen.
    SeriesError
        When no series fits, or its slices do not form one volume.
    UnsuitableScanError
        When a file's numbers cannot be those of the modality.
    UsageError
        When `modality`, `study` or `series` fits nothing.
    """
    return Scan.of(studies.read_study(path, modality=modality, series=series, study=study, regularize=regularize))


def make_report(
    study: Study | str | Path,
    *,
    reader_masks: Path | str | None = None,
    primary: Sequence[str] = (),
    node: Sequence[str] = (),
    question: str = "",
    post_treatment: bool | None = None,
    prior: Path | str | None = None,
    prior_masks: Path | str | None = None,
    staging: StagingRequest | None = None,
    models: Networks = None,
    device: str = "auto",
    precision: str | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> ReportAnswer:
    """Make the structured report of a CT as `hyoid report` does.

    Parameters
    ----------
    study : Study or path
        CT that `hyoid.read_study` read, or where it lies.
    reader_masks : path, optional
        A reader's tumour and nodes, as for `hyoid report --reader-masks`.
    primary, node : sequences of str
        Names of outlines in that file, where these do not tell which is which.
    question : str
        Clinical question, printed in the report; no names.
    post_treatment : bool, optional
        Whether the neck was treated before this scan; None where nobody said.
    prior : path, optional
        `report.json` of an earlier run, its folder, or an earlier CT with a reader's outlines.
    prior_masks : path, optional
        A reader's outlines on the earlier CT, where its folder does not hold one RTSTRUCT or SEG.
    staging : StagingRequest, optional
        Tables by which to stage, for confirmation; needs `reader_masks`.
    models : path or mapping, optional
        File of models as for `--models`, or its content, such as `{"organs": ["default", "my/folder"]}`.
    device : {"auto", "cpu", "cuda"}
        Where the networks run; "auto" takes the GPU where there is one.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the networks; by default what each model's card allows.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When staging is asked for without `reader_masks`, or a word fits nothing.
    InputRefusedError
        When the scan or the masks cannot be used.
    ModelUnusableError
        When weights are damaged.
    """
    _refuse_staging_alone(staging, reader_masks)
    machine = machine_named(device, precision, cache)
    networks = report_models(_asked(models))
    with _clock(progress) as clock:
        scan = _study(study, clock)
        reader = None
        if reader_masks is not None:
            grid = scan.volume.geometry
            reader = find_reader_masks(reader_masks, grid, headers=scan.headers, primary=primary, node=node)
        asked = request(
            scan,
            question,
            post_treatment=post_treatment,
            prior=None if prior is None else Path(prior),
            prior_masks=None if prior_masks is None else Path(prior_masks),
            outlining=partial(organs_before, networks.outlining, machine, on_progress=clock.progress),
            staging=staging,
        )
        found = structured_report(scan, networks, machine, reader=reader, asked=asked, on_progress=clock.progress)
    results = ct_report_results(scan, found, networks, machine, asked, reader_masks=reader is not None)
    return ReportAnswer(results, clock.seconds, found)


def find_targets(
    study: PetCtStudy | str | Path,
    *,
    pet: PetRequest | None = None,
    reader_masks: Path | str | None = None,
    primary: Sequence[str] = (),
    node: Sequence[str] = (),
    organs: bool = True,
    decision: str | None = None,
    coarse_outside: bool | None = None,
    models: Networks = None,
    question: str = "",
    post_treatment: bool | None = None,
    prior: Path | str | None = None,
    prior_masks: Path | str | None = None,
    staging: StagingRequest | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> ReportAnswer:
    """Outline primary tumour and involved nodes on a PET/CT, and report on them, as `hyoid petct` does.

    Parameters
    ----------
    study : PetCtStudy or path
        PET/CT that was read, or its DICOM folder or zip, HECKTOR case folder, or CT file.
    pet : PetRequest, optional
        What is known of the PET: its file, units, weight and dose.
    reader_masks : path, optional
        A reader's tumour and nodes; then no network is asked for targets.
    primary, node : sequences of str
        Names of outlines in that file, where these do not tell which is which.
    organs : bool
        Outline organs as well, for sites, levels and involvement.
    decision : {"argmax", "threshold"}, optional
        How averaged maps become outlines; as the networks' packages say when not given.
    coarse_outside : bool, optional
        Keep what stage 2 found outside the cube of stage 3, marked; as the packages say when not given.
    models : path or mapping, optional
        File of models as for `--models`, or its content, such as `{"organs": ["default", "my/folder"]}`.
    question : str
        Clinical question, printed in the report; no names.
    post_treatment : bool, optional
        Whether the neck was treated before this scan; None where nobody said.
    prior : path, optional
        `report.json` of an earlier run, its folder, or an earlier CT with a reader's outlines.
    prior_masks : path, optional
        A reader's outlines on the earlier CT, where its folder does not hold one RTSTRUCT or SEG.
    staging : StagingRequest, optional
        Tables by which to stage, for confirmation; needs `reader_masks`.
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the networks; by default what each model's card allows.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When staging is asked for without `reader_masks`.
    InputRefusedError
        When CT or PET cannot be used, or its SUV cannot be computed without guessing.
    ModelUnusableError
        When weights are damaged.
    """
    _refuse_staging_alone(staging, reader_masks)
    machine = machine_named(device, precision, cache)
    stated = _asked(models)
    networks = petct_models(stated)
    decided = networks.decision.changed(decision, coarse_outside=coarse_outside)
    with _clock(progress) as clock:
        scans = study
        if not isinstance(scans, PetCtStudy):
            scans = read_petct(scans, pet, on_progress=partial(clock.progress, "read"))
        source: PetCtModels | ReaderMasks = networks
        if reader_masks is not None:
            grid, headers = scans.ct.volume.geometry, scans.ct.headers
            source = find_reader_masks(reader_masks, grid, headers=headers, primary=primary, node=node)
        organ_networks = outlining(stated).sources if organs else ()
        template = template_package(stated) if organs else None
        asked = request(
            scans.ct,
            question,
            post_treatment=post_treatment,
            prior=None if prior is None else Path(prior),
            prior_masks=None if prior_masks is None else Path(prior_masks),
            outlining=partial(organs_before, organ_networks, machine, on_progress=clock.progress),
            staging=staging,
        )
        found = petct_report(
            scans,
            source,
            organ_networks,
            machine,
            template=template,
            asked=asked,
            decision=decided,
            on_progress=clock.progress,
        )
    packages = [*networks.all, *organ_networks, *([] if template is None else [template])]
    rule = decided if reader_masks is None else None
    results = petct_results(scans, found, packages, machine, asked, rule, organs=organs)
    return ReportAnswer(results, clock.seconds, found)


def _refuse_staging_alone(staging: StagingRequest | None, reader_masks: Path | str | None) -> None:
    if staging is not None and reader_masks is None:
        raise UsageError("Staging rests on a reader's outlines, and none are given.", "Give reader_masks.")


def segment_lesion(
    study: Study | str | Path,
    clicks: Sequence[Click],
    *,
    target: str = "GTVp",
    modality: str = "",
    organs: bool = True,
    models: Networks = None,
    device: str = "auto",
    cache: Path | None = None,
    progress: bool = False,
) -> ReportAnswer:
    """Outline the lesion under one or more clicks, and describe it, as `hyoid lesion` does.

    Parameters
    ----------
    study : Study or path
        Scan that `hyoid.read_study` read, or where it lies.
    clicks : sequence of clicks
        Voxels (slice, row, column) in the order of the study's own array, inside the lesion; or text such as
        "60,210,255:-" for a voxel outside. Clicks are made in their order; the first must be inside.
    target : {"GTVp", "GTVn"}
        Kind of lesion.
    modality : {"CT", "MR", "PT"}, optional
        Modality to read from a path; by default the first of these that the study holds.
    organs : bool
        Outline organs too (CT of the neck), so that the report is whole.
    models : path or mapping, optional
        File of models as for `--models`, or its content, such as `{"organs": ["default", "my/folder"]}`.
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When a click cannot be read, lies outside the scan, or the first click is outside the lesion.
    InputRefusedError
        When the scan cannot be used.
    ModelUnusableError
        When weights are damaged.
    """
    kind = checked_target(target)
    made = [
        parsed_click(click) if isinstance(click, str) else ((click[0], click[1], click[2]), True) for click in clicks
    ]
    if not made:
        raise UsageError("No click was given.", "Give at least one voxel inside the lesion.")
    with _clock(progress) as clock:
        reading: Callable[..., Study]
        if isinstance(study, Study):
            modality, reading = _MODALITY.get(study.volume.quantity, "PT"), lambda modality: study
        else:
            reading = partial(studies.read_study, study, on_progress=partial(clock.progress, "read"))
        machine = machine_named(device, cache=cache)
        return lesion_answer(
            reading,
            made,
            target=kind,
            modality=modality,
            organs=organs,
            models=_asked(models),
            machine=machine,
            terminal=clock,
        )


def midrt(
    pre: Path | str,
    mid: Path | str | None = None,
    *,
    pre_masks: Path | str | None = None,
    registered: bool | None = None,
    primary: Sequence[str] = (),
    node: Sequence[str] = (),
    models: Networks | Sequence[str] = None,
    device: str = "auto",
    precision: str | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> ReportAnswer:
    """Outline GTVp and GTVn on a mid-treatment MR and report the response of every lesion, as `hyoid midrt` does.

    Parameters
    ----------
    pre : path
        T2w MR before treatment, or a HNTS-MRG case folder.
    mid : path, optional
        T2w MR during treatment; not given for a HNTS-MRG case folder.
    pre_masks : path, optional
        Tumour and nodes before treatment: label map, RTSTRUCT or DICOM SEG.
    registered : bool, optional
        Take masks and `pre` as registered to `mid` already, or register; by default the registered masks of a HNTS-MRG
        case folder are used where it has any.
    primary, node : sequences of str
        Names of outlines in `pre_masks`, where these do not tell which is which.
    models : path, mapping or sequence of str, optional
        File of models as for `--models`, or its content; or networks by name or folder, whose answers are averaged.
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the networks; by default what each model's card allows.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When an argument is missing, or both examinations are swapped by their names.
    InputRefusedError
        When a scan or the masks cannot be used.
    ModelUnusableError
        When weights are damaged, or no model is here.
    """
    wanted = PairRequest(
        Path(pre),
        None if mid is None else Path(mid),
        None if pre_masks is None else Path(pre_masks),
        registered=registered,
        primary=tuple(primary),
        node=tuple(node),
    )
    machine = machine_named(device, precision, cache)
    named = isinstance(models, Sequence) and not isinstance(models, str)
    packages = midrt_sources(_asked({"midrt": list(models)} if named else models))  # type: ignore[arg-type]
    with _clock(progress) as clock:
        opened = open_pair(wanted)
        found = follow_up(canonical_pair(opened.pair), packages, machine, on_progress=clock.progress)
    results = midrt_results(opened.pre, opened.mid, found, packages, machine, registered=opened.registered)
    return ReportAnswer(results, clock.seconds, found)


def predict(
    model: Path | str,
    inputs: Path | str | Sequence[Path | str],
    *,
    folds: Sequence[str | int] = (),
    configuration: str | None = None,
    checkpoint: str = "final",
    options: Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str | None = None,
    cache: Path | None = None,
    progress: bool = False,
) -> LabelAnswer:
    """Run an nnU-Net v2 model on one case, as `hyoid predict` does.

    Parameters
    ----------
    model : path or str
        nnU-Net v2 folder (with plans.json), or the name of fetched weights.
    inputs : path or sequence of paths
        A file per channel in the order of the channels, or one DICOM folder or zip.
    folds : sequence of str or int
        Folds to average; every fold of the folder when empty.
    configuration : str, optional
        Configuration of the plans, such as 3d_fullres, where the folder's name does not tell.
    checkpoint : {"final", "best"}
        Checkpoint to load.
    options : mapping, optional
        Further fields of `hyoid.inference.nnunet.Options`: mirror, step, fast, probabilities.
    device : {"auto", "cpu", "cuda"}
        Where the network runs.
    precision : {"f32", "bf16"}, optional
        Arithmetic of the network; by default bfloat16 where it agrees with float32.
    cache : Path, optional
        Folder for compiled graphs; by default the user's cache.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When the model is not there, or the inputs are several cases.
    InputRefusedError
        When the channels do not suit the model.
    ModelUnusableError
        When a checkpoint cannot be used.
    """
    from hyoid.interfaces import prediction

    folder, provenance = nnunet_folder(str(model))
    named = tuple(str(fold) for fold in folds)
    chosen = read_nnunet_folder(folder, configuration=configuration, folds=named, checkpoint=checkpoint)
    paths = [Path(inputs)] if isinstance(inputs, str | Path) else [Path(path) for path in inputs]
    cases = prediction.find_cases(paths, len(chosen.channels))
    if len(cases) != 1:
        raise UsageError(f"{len(cases)} cases were given.", "Call predict once for each.")
    how = Options(device=device_named(device), precision=precision_named(precision))
    unknown = sorted(set(options or ()) - {"mirror", "step", "fast", "probabilities"})
    if unknown:
        raise UsageError(f"There is no option {unknown[0]!r}.", "Choose mirror, step, fast or probabilities.")
    how = replace(how, **dict(options or {}))
    with _clock(progress) as clock:
        read = prediction.read_case(chosen, cases[0], partial(clock.progress, "read"))
        where = cache or cache_folder()
        return prediction.run_case(chosen, provenance, read, how, where, clock, from_dicom=cases[0].dicom)


def evaluate(
    predictions: Path | str,
    references: Path | str,
    protocol: str,
    *,
    compared_with: Path | str | None = None,
    config: Path | str | None = None,
    levels: Path | str | None = None,
    layouts: tuple[Layout, Layout] = (Layout.AUTO, Layout.AUTO),
    workers: int = 1,
    seed: int = 0,
    on_progress: Stages | None = None,
) -> EvaluationAnswer:
    """Score predictions against references, or two systems against each other, as `hyoid evaluate` does.

    Parameters
    ----------
    predictions, references : path
        Folders of label maps, or one file each.
    protocol : str
        Protocol that defines the metrics, such as "hntsmrg2024"; "custom" for one's own.
    compared_with : path, optional
        Predictions of a second system on the same references.
    config : path, optional
        YAML file that defines the protocol "custom".
    levels : path, optional
        Folder with label maps of nodal levels, to count lesions by level.
    layouts : (Layout, Layout)
        Layouts of the folders of predictions and references.
    workers : int
        Number of processes, each with one case at a time.
    seed : int
        Seed of the bootstrap that gives the intervals.
    on_progress : callable, optional
        Told (words, cases done, cases in all).

    Raises
    ------
    UsageError
        When the protocol is unknown, or does not compare two systems.
    InputRefusedError
        When a case cannot be scored; the message names the case.
    """
    return score(
        (Path(predictions), Path(references))
        if compared_with is None
        else (Path(predictions), Path(compared_with), Path(references)),
        protocol,
        config=None if config is None else Path(config),
        levels=None if levels is None else Path(levels),
        layouts=layouts,
        workers=workers,
        seed=seed,
        on_progress=on_progress or ignore_stages,
    )


def cohort(
    job: str,
    source: Path | str,
    out: Path | str,
    *,
    options: Sequence[str] = (),
    workers: int = 0,
    ray: str | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> CohortAnswer:
    """Run a command on many studies, as `hyoid cohort` does; a stopped run is resumed by the same call.

    Parameters
    ----------
    job : str
        Command of every case, such as "report".
    source : path
        Folder to search for cases, or a CSV or Parquet table.
    out : path
        Folder for the cohort.
    options : sequence of str
        Words of the job's own command for every case, such as "--template".
    workers : int
        Number of workers; 0 takes as many as processors and memory allow.
    ray : str, optional
        Address of a Ray cluster; by default the processes of this machine.
    overwrite : bool
        Replace cases that were made with other options or models.
    progress : bool
        Show progress bars.

    Raises
    ------
    UsageError
        When there is no such job, or finished cases were made with other options.
    InputRefusedError
        When the list cannot be read.
    OutputError
        When the disk is full or not writable; finished cases stay.
    """
    from hyoid.interfaces.cohorts.driver import make_plan
    from hyoid.interfaces.cohorts.executors import Room, workers_of
    from hyoid.interfaces.cohorts.jobs import JOBS
    from hyoid.interfaces.cohorts.run import run_cohort
    from hyoid.io.cohorts.lists import read_list

    if job not in JOBS:
        raise UsageError(f"There is no job {job!r}.", f"Choose one of: {', '.join(JOBS)}.")
    place, target = Path(source).resolve(), Path(out).resolve()
    listed = read_list(place, JOBS[job].kind, leave_out=target)
    clock = Terminal(as_json=False)
    clock.console.quiet = not progress
    with workers_of(ray, Room(workers), clock) as executor:
        plan_of = partial(make_plan, JOBS[job], listed, tuple(options), target)
        plan, refused = run_cohort(plan_of, executor, target, clock, overwrite=overwrite)
    return CohortAnswer(target, plan.cases, refused)


def make_phantom(
    seed: int = 0,
    number: int = 0,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    options: PhantomOptions | None = None,
) -> Patient:
    """Make one virtual patient whose truth is known, the same as `hyoid phantom` writes.

    Parameters
    ----------
    seed : int
        Seed of the cohort, 0 or more.
    number : int
        Number of the patient in the cohort, from 0.
    spacing_mm : (slice, row, column)
        Voxel spacing of the CT and its masks.
    options : PhantomOptions, optional
        Kind of disease and images; the usual ones when not given.

    Raises
    ------
    UsageError
        When the seed or number is negative, or the spacing cannot hold a neck.

    Examples
    --------
    >>> make_phantom(1, spacing_mm=(5, 5, 5)).ct.quantity   # doctest: +SKIP
    <Quantity.HU: 'HU'>
    """
    if seed < 0 or number < 0:
        raise UsageError(f"The seed {seed} or the number {number} is negative.", "Choose zero or more.")
    rng = np.random.default_rng([seed, number])
    return Patient.of(virtual_patient(rng, spacing_mm=spacing_mm, options=options), (seed, number))


def structure(text: str, *, engine: Engine | None = None) -> TextAnswer:
    """Fill the template from a free-text report, offline, as `hyoid structure` does.

    Parameters
    ----------
    text : str
        Text of one radiology report of the head and neck.
    engine : Engine, optional
        Engine that answers the lines; by default the rules.

    Raises
    ------
    InputRefusedError
        When the text is empty, too long, of another part of the body, or of two patients.

    Examples
    --------
    >>> answer = structure("CT neck. Mass in the right tonsil measuring 2 x 2.4 cm. No cervical lymphadenopathy.")
    >>> answer.report.line("size_of_the_mass").value
    '2 x 2.4 cm'
    """
    return TextAnswer(structure_text(text, engine))


def _asked(models: Networks) -> ModelsFile:
    """Networks that a caller states, or names a file of."""
    if isinstance(models, Mapping):
        return models_stated(models)
    return asked_models(None if models is None else Path(models))


def _study(study: Study | str | Path, clock: Terminal) -> Study:
    """The study itself, or the CT at a path."""
    if isinstance(study, Study):
        return study
    return studies.read_study(study, on_progress=partial(clock.progress, "read"))


@contextmanager
def _clock(progress: bool) -> Iterator[Terminal]:
    """A clock that shows bars where these are wanted."""
    clock = Terminal(as_json=False)
    if not progress:
        yield clock
        return
    with clock.bars():
        yield clock
