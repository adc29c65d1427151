"""The table of jobs: which command a case of a list becomes, and what its results are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hyoid.errors import HyoidError, InputRefusedError, UsageError
from hyoid.interfaces.cli.commands import Commands
from hyoid.interfaces.cohorts.remote import remote_fingerprint
from hyoid.io.cohorts.listed import Kind, ListedCase, is_url
from hyoid.jobs.ledger import Order, fingerprint_of, options_hash

_IGNORED = ("out", "device", "as_json", "overwrite", "dry_run", "workers")
"""Options that do not decide what a result says, or that the cohort sets itself."""
_NETWORKS = ("models", "organs", "no_organs", "tumour", "classifier", "head", "coarse", "fine", "model")
"""Options that choose networks."""
_OWN = ("--out", "--json", "--overwrite", "--dry-run")


@dataclass(frozen=True)
class Job:
    """A command that may be run on every case of a list.

    Parameters
    ----------
    name : str
        Name of the command.
    summary : str
        First line of the help of `hyoid cohort NAME`.
    kind : str
        What a folder is searched for.
    prior, masks : str
        Where these columns go: an option, "before" or "after" the path, or empty where the command takes none.
    out : str
        File that `--out` names in the case's folder; empty for the folder itself.
    nested : bool
        Whether the command makes a folder of its own in `--out`.
    path : str
        Option that takes the paths; empty where these are arguments.
    resumes : bool
        Whether the command goes on with what it left in `--out` when it was stopped; the case then keeps its place
        while it is made.
    always : tuple of str
        Words that every case gets.
    """

    name: str
    summary: str
    kind: Kind
    prior: str = ""
    masks: str = ""
    out: str = ""
    nested: bool = False
    path: str = ""
    resumes: bool = False
    always: tuple[str, ...] = ()


JOBS = {
    job.name: job
    for job in (
        Job(
            "report",
            "Make the structured report of every CT of a list.",
            "ct",
            prior="--prior",
            masks="--reader-masks",
        ),
        Job(
            "petct",
            "Outline targets on every PET/CT of a list, and report on them.",
            "petct",
            prior="--prior",
            masks="--reader-masks",
        ),
        Job(
            "midrt",
            "Outline targets on every mid-treatment MR of a list, and report the response.",
            "midrt",
            prior="before",
            masks="--pre-masks",
        ),
        Job(
            "lesion",
            "Outline and describe the lesion under the clicks of every row of a table.",
            "table",
        ),
        Job("predict", "Run an nnU-Net v2 model on every case of a list.", "channels", nested=True),
        Job("measure", "Measure the lesions of every label map of a list.", "images", out="measurements.json"),
        Job("structure", "Fill the template from every free-text report of a list.", "texts", out="report.json"),
        Job(
            "evaluate",
            "Score the predictions of every row of a table against its references.",
            "table",
            masks="after",
            out="evaluation.json",
            always=("--workers", "1"),
        ),
        Job("train", "Train a network for every row of a table.", "table", path="--data", resumes=True),
    )
}


@dataclass(frozen=True)
class CaseJob:
    """A case on its way to a worker.

    Parameters
    ----------
    row : int
        Place in the list.
    case : str
        Identifier.
    job : str
        Name of the command.
    words : tuple of str
        The command's words without `--out`; files that are URLs are fetched by the worker first.
    folder : Path
        Place of the results.
    order : Order
        What the results are made of.
    """

    row: int
    case: str
    job: str
    words: tuple[str, ...]
    folder: Path
    order: Order


def words_of(job: Job, case: ListedCase, common: Sequence[str]) -> tuple[str, ...]:
    """Write the words of the command for a case, without `--out`.

    Parameters
    ----------
    job : Job
        Which command.
    case : ListedCase
        Row of the list.
    common : sequence of str
        Words for every case, which stand first.

    Raises
    ------
    InputRefusedError
        When the row has a value that the command does not take.
    """
    given = {"prior": case.prior, "masks": case.masks, "clicks": " ".join(case.clicks)}
    taken = {"prior": job.prior, "masks": job.masks, "clicks": "--click" if job.name == "lesion" else ""}
    for column, value in given.items():
        if value and not taken[column]:
            raise InputRefusedError(f"The job {job.name} takes no {column}.", "Leave the cell empty.")
    for word in (*common, *case.options):
        if word.partition("=")[0] in _OWN:
            raise UsageError(f"{word.partition('=')[0]} is set by the cohort itself.", "Leave it out.")
    before = [value for column, value in given.items() if value and taken[column] == "before"]
    after = [value for column, value in given.items() if value and taken[column] == "after"]
    named = [w for c in ("prior", "masks") if given[c] and taken[c][:2] == "--" for w in (taken[c], given[c])]
    clicks = [word for click in case.clicks for word in ("--click", click)]
    paths = [word for path in case.paths for word in ((job.path, path) if job.path else (path,))]
    return (*job.always, *common, *before, *paths, *after, *named, *clicks, *case.options)


def parsed(job: str, words: Sequence[str]) -> dict[str, Any]:
    """Parse the words of a command as the command itself does, without running it.

    Parameters
    ----------
    job : str
        Name of the command.
    words : sequence of str
        Arguments and options.

    Returns
    -------
    dict of str to object
        Values by the name of the parameter.

    Raises
    ------
    UsageError
        When the command does not understand the words.
    """
    return dict(_context(job, words).params)


def _context(job: str, words: Sequence[str]) -> Any:
    try:
        return command_of(job).make_context(job, list(words))
    except HyoidError:
        raise
    except Exception as error:
        # Typer's own kinds of wrong usage; their words quote options, never the content of a file.
        problem = error.format_message() if hasattr(error, "format_message") else type(error).__name__
        raise UsageError(problem, f"See: hyoid {job} --help") from None


def urls_among(job: str, words: Sequence[str]) -> frozenset[str]:
    """Find the words that name files elsewhere; the address of a service among the options is none.

    Parameters
    ----------
    job : str
        Name of the command.
    words : sequence of str
        Arguments and options, without `--out`.
    """
    urls = [word for word in words if is_url(word)]
    if not urls:
        return frozenset()
    paths = {str(p) for value in parsed(job, [*words, "--out", "."]).values() for p in _paths_in(value)}
    # A URL loses a slash when Typer makes a path of it.
    return frozenset(url for url in urls if str(Path(url)) in paths)


def _paths_in(value: Any) -> list[Path]:
    values = value if isinstance(value, list | tuple) else [value]
    return list(values) if values and all(isinstance(v, Path) for v in values) else []


@cache
def command_of(job: str) -> Any:
    """Load the command of a job, once in a process."""
    return Commands()[job]


def order_of(job: Job, words: Sequence[str]) -> Order:
    """Tell what the results of a case are made of.

    An option that was not given says nothing, so that a later version with one more option knows the results again.

    Parameters
    ----------
    job : Job
        Which command.
    words : sequence of str
        Its words, without `--out`.

    Raises
    ------
    UsageError
        When the command does not understand the words.
    UnreadableFileError
        When a file is not there.
    ModelUnusableError
        When a model is not there.
    """
    context = _context(job.name, [*words, "--out", "."])
    options = dict(context.params)
    elsewhere = {str(Path(url)): url for url in urls_among(job.name, words)}
    inputs, rest = {}, {}
    for name, value in sorted(options.items()):
        if name in _IGNORED or context.get_parameter_source(name).name == "DEFAULT":
            continue
        if paths := _paths_in(value):
            for k, path in enumerate(paths):
                inputs[name if len(paths) == 1 else f"{name}_{k}"] = (
                    remote_fingerprint(elsewhere[str(path)]) if str(path) in elsewhere else fingerprint_of(path)
                )
        else:
            rest[name] = value
    return Order(job=job.name, inputs=inputs, models=_models(job, options), options=options_hash(rest))


def _models(job: Job, options: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of every network that the command may use with these options, by name."""
    if job.name in ("measure", "structure", "evaluate"):
        return {}
    if job.name == "predict":
        return {"nnunet": _folder_hash(options["model"])}
    if job.name == "train":
        from hyoid.training.recipe import load_recipe

        recipe = load_recipe(options["recipe"], options["preset"])
        return {"recipe": options_hash(recipe.model_dump(mode="json"))}
    chosen = {name: options.get(name) for name in _NETWORKS}
    return dict(_hashes(job.name, tuple((n, tuple(v) if isinstance(v, list) else v) for n, v in chosen.items())))


@cache
def _folder_hash(name: str) -> str:
    from hyoid.interfaces.installed import nnunet_folder

    return fingerprint_of(nnunet_folder(name)[0])


@cache
def _hashes(command: str, chosen: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of every network that a command uses with these options."""
    from hyoid.interfaces.chosen_models import networks_of

    sources = networks_of(command, **dict(chosen))
    return tuple((source.manifest.name, source.manifest.sha256) for source in sources)
