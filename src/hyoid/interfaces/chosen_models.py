"""From what a run asks for to its networks: file of models, single options, tables of sources, hyoid's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hyoid.anatomy.structures import ORGANS, TARGETS
from hyoid.cards.kinds import Kind, kind_of
from hyoid.errors import ModelUnusableError, UsageError
from hyoid.interfaces.installed import (
    MIDRT,
    OUTLINING,
    PETCT_COARSE,
    PETCT_FINE,
    PETCT_HEAD,
    TEMPLATE,
    load_model,
    load_models,
    nnunet_folder,
    package_folder,
    packages,
    public_models,
    pulled_folder,
)
from hyoid.interfaces.places import WEIGHTS, sources_file
from hyoid.io.channels import modality_of
from hyoid.io.packages.model_package import MANIFEST, Manifest, ModelPackage, read_manifest
from hyoid.io.packages.models_file import DEFAULT, Entry, ModelsFile, read_models_file
from hyoid.io.packages.nnunet_folder import is_nnunet_folder, read_nnunet_folder
from hyoid.io.packages.nnunet_source import NnunetSource, Source, answering, nnunet_source
from hyoid.io.packages.source_table import Choice, Offer, SourceTable, choose_sources, read_source_table
from hyoid.preprocess.midrt_input import channels_named
from hyoid.systems.ct_report.pipeline import ReportModels
from hyoid.systems.petct.pipeline import PetCtModels

NOTHING_ASKED = ModelsFile()
_ORGAN_NAMES = tuple(organ.name for organ in ORGANS)
_TARGET_NAMES = tuple(target.name for target in TARGETS)
_WORDS = {
    Kind.OUTLINES: "a network that outlines organs on CT",
    Kind.TARGET: "a network that localises the target region on CT",
    Kind.INVOLVEMENT: "a classifier of involvement",
    Kind.SUB_SITES: "a classifier of sub-sites",
    Kind.LESION: "an interactive network",
    Kind.PETCT: "a network of the PET/CT system",
    Kind.MIDRT: "a network for MR during treatment",
}


@dataclass(frozen=True)
class Outlining:
    """Networks that outline organs in a run, and why each structure is outlined by which.

    Parameters
    ----------
    sources : tuple of ModelPackage or NnunetSource
        Each limited to the structures that it was chosen for; outlines of an earlier one go over those of a later one.
    choices : tuple of Choice
        One per structure.
    """

    sources: tuple[Source, ...]
    choices: tuple[Choice, ...]


def asked_models(file: Path | None = None, **single: str | Sequence[str] | None) -> ModelsFile:
    """Gather what a run asks for; a single option goes before the same place in the file.

    Parameters
    ----------
    file : Path, optional
        File of `--models`.
    single : str or sequence of str
        Names or folders by place, such as `tumour="mine"`; empty ones ask for nothing.

    Raises
    ------
    UsageError
        When the file is wrong.
    """
    asked = NOTHING_ASKED if file is None else read_models_file(file)
    given: dict[str, Any] = {place: value for place, value in single.items() if value}
    return ModelsFile.model_validate({**dict(asked), **given})


def outlining(asked: ModelsFile = NOTHING_ASKED) -> Outlining:
    """Choose and load the networks that outline organs, each for the structures that it is best founded for.

    Parameters
    ----------
    asked : ModelsFile
        Networks named for this run; hyoid's own and fetched public weights where none are.

    Raises
    ------
    UsageError
        When a name is unknown, or two networks of equal rank outline one structure.
    ModelUnusableError
        When a network does not belong in this place, or is damaged.
    """
    tables = (asked.table(), *tables_here())
    entries = asked.organs or (Entry(model=DEFAULT),)
    offers: dict[str, tuple[Offer, Entry]] = {}
    for entry in entries:
        if entry.model == DEFAULT:
            offers |= {name: (_offer(name), Entry(model=name)) for name in _sources_here(tables[1:])}
    loaded: dict[str, Source] = {}
    every = [offer for offer, _ in offers.values()]
    for entry in entries:
        if entry.model != DEFAULT:
            source = organ_source(entry)
            every.append(Offer(source.manifest.name, source.manifest.supported, named=True))
            loaded[source.manifest.name] = source
    _require_usable(asked.table(), every)
    choices = choose_sources(every, tables)
    by_source: dict[str, list[str]] = {}
    for choice in choices.values():
        by_source.setdefault(choice.source, []).append(choice.structure)
    order = [*loaded, *(name for table in tables[1:] for name in table.sources())]
    sources = [
        answering(loaded.get(name) or organ_source(offers[name][1]), by_source[name])
        for name in dict.fromkeys(order)
        if name in by_source
    ]
    # Where two outlines meet, those that virtual patients alone taught give way.
    ordered = sorted(sources, key=lambda source: _virtual_only(source.manifest))
    return Outlining(tuple(ordered), tuple(choices.values()))


def outlining_named(names: Sequence[str]) -> tuple[Source, ...]:
    """Load networks that outline organs for a training: packages, nnU-Net folders or fetched weights; else hyoid's own.

    Parameters
    ----------
    names : sequence of str
        Names or folders; of two networks that outline one structure the table of sources chooses.

    Raises
    ------
    UsageError, ModelUnusableError
        As `outlining`.
    """
    return outlining(asked_models(organs=tuple(names))).sources if names else tuple(load_models(OUTLINING))


def networks_of(
    command: str, *, models: Path | None = None, no_organs: bool | None = None, model: Any = None, **single: Any
) -> tuple[Source, ...]:
    """Load every network that a command may ask with its options.

    Parameters
    ----------
    command : {"report", "petct", "midrt", "lesion"}
        Name of the command.
    models : Path, optional
        Its file of models.
    no_organs : bool, optional
        Whether organs are left out.
    model : str or sequence of str, optional
        Its option `--model`.
    single : str or sequence of str
        Its other options that name networks.

    Raises
    ------
    UsageError, ModelUnusableError
        As the functions that load each command's networks.
    """
    if command == "midrt":
        return tuple(midrt_sources(asked_models(models, midrt=model)))
    asked = asked_models(models, lesion=model, **single)
    if command == "report":
        return report_models(asked).all
    organs = () if no_organs else outlining(asked).sources
    if command == "lesion":
        return (lesion_package(asked), *organs)
    return (*petct_models(asked).all, *organs, *(() if no_organs else (template_package(asked),)))


def tables_here() -> tuple[SourceTable, SourceTable]:
    """Read the user's table of sources and hyoid's own, the user's first."""
    own = read_source_table(sources_file()) if sources_file().is_file() else SourceTable()
    return own, read_source_table(WEIGHTS / "sources.yaml")


def report_models(asked: ModelsFile = NOTHING_ASKED) -> ReportModels:
    """Load the networks of `hyoid report`.

    Parameters
    ----------
    asked : ModelsFile
        Networks in the places of hyoid's own.

    Raises
    ------
    UsageError, ModelUnusableError
        As `outlining`, and when another network does not belong in its place.
    """
    return ReportModels(
        outlining(asked).sources,
        tumour_source(asked.tumour or Entry(model="tumour")),
        package_for(asked.classifier or Entry(model="sgrnet"), Kind.INVOLVEMENT),
        template_package(asked),
    )


def template_package(asked: ModelsFile = NOTHING_ASKED) -> ModelPackage:
    """Load the classifier of sub-sites that an outlined tumour overlaps, with the errors of `package_for`."""
    return package_for(asked.template or Entry(model=TEMPLATE), Kind.SUB_SITES)


def petct_models(asked: ModelsFile = NOTHING_ASKED) -> PetCtModels:
    """Load the networks of the three stages of `hyoid petct`, with the errors of `package_for`.

    Parameters
    ----------
    asked : ModelsFile
        Networks in the places of hyoid's own.
    """
    fine = asked.fine or tuple(Entry(model=name) for name in PETCT_FINE)
    return PetCtModels(
        package_for(asked.head or Entry(model=PETCT_HEAD), Kind.PETCT),
        package_for(asked.coarse or Entry(model=PETCT_COARSE), Kind.PETCT),
        tuple(package_for(entry, Kind.PETCT) for entry in fine),
    )


def midrt_sources(asked: ModelsFile = NOTHING_ASKED) -> list[Source]:
    """Load the networks of `hyoid midrt`: packages, or nnU-Net folders with the channels that they see.

    Parameters
    ----------
    asked : ModelsFile
        Networks in the place of hyoid's own.

    Raises
    ------
    UsageError
        When no model has that name.
    ModelUnusableError
        When none is named and none came with hyoid, a network does not belong in this place, or what its channels are
        is not known.
    """
    if not asked.midrt and MIDRT not in packages():
        raise ModelUnusableError(
            "No mid-treatment model came with this version of hyoid.",
            "Train one with `hyoid train midrt` (docs/midrt.md) and name its package with --model.",
        )
    return [midrt_source(entry) for entry in asked.midrt or (Entry(model=MIDRT),)]


def lesion_package(asked: ModelsFile = NOTHING_ASKED) -> ModelPackage:
    """Load the interactive network of `hyoid lesion` and `hyoid serve`, with the errors of `package_for`."""
    return package_for(asked.lesion or Entry(model="isrg"), Kind.LESION)


def package_for(entry: Entry, kind: Kind) -> ModelPackage:
    """Load a hyoid package, and refuse one of another kind.

    Parameters
    ----------
    entry : Entry
        Name or folder of the package.
    kind : Kind
        What the place needs.

    Raises
    ------
    UsageError
        When there is no such package.
    ModelUnusableError
        When it is of another kind, an nnU-Net folder, or damaged.
    """
    if _is_foreign(entry.model):
        raise ModelUnusableError(
            f"{_shown(entry)!r} is an nnU-Net folder, and this place takes {_WORDS[kind]}.",
            "Give a package of `hyoid train`.",
        )
    package = load_model(entry.model)
    _require_kind(package.manifest, kind)
    return package if not entry.name else replace(package, manifest=_renamed(package.manifest, entry.name))


def organ_source(entry: Entry) -> Source:
    """Load a network that outlines organs on CT: a package, an nnU-Net folder, or fetched weights.

    Parameters
    ----------
    entry : Entry
        Name or folder, and what its labels mean.

    Raises
    ------
    UsageError
        When there is no such network.
    ModelUnusableError
        When it does not outline organs on CT, or not those asked for.
    """
    source: Source
    if _is_foreign(entry.model):
        source = _answering_some(_folder_source(entry), _ORGAN_NAMES, "an organ")
        _require_ct(source)
    else:
        source = package_for(entry, Kind.OUTLINES)
    return answering(source, entry.structures) if entry.structures else source


def tumour_source(entry: Entry) -> Source:
    """Load a network that localises the tumour on CT: a package, or an nnU-Net folder with a target among its labels.

    Parameters
    ----------
    entry : Entry
        Name or folder, and what its labels mean.

    Raises
    ------
    UsageError, ModelUnusableError
        As `organ_source`.
    """
    if not _is_foreign(entry.model):
        return package_for(entry, Kind.TARGET)
    source = _answering_some(_folder_source(entry), _TARGET_NAMES, "a tumour or target")
    _require_ct(source)
    return source


def midrt_source(entry: Entry) -> Source:
    """Load a network for MR during treatment; of an nnU-Net folder also what its channels are.

    Parameters
    ----------
    entry : Entry
        Name or folder, its channels and the preset of the gradient map.

    Raises
    ------
    UsageError, ModelUnusableError
        As `midrt_sources`.
    """
    if not _is_foreign(entry.model):
        return package_for(entry, Kind.MIDRT)
    source = _folder_source(entry)
    if missing := [name for name in ("gtvp", "gtvn") if name not in source.manifest.supported]:
        raise ModelUnusableError(
            f"{source.manifest.name!r} does not outline {missing[0]}, and this place takes networks that outline both.",
            "State its labels by `labels: {NAME: gtvp, NAME: gtvn}` in the file of --models.",
        )
    stated = entry.channels or (source.row.channels if source.row is not None else ())
    channels = channels_named(source.manifest.name, [channel.name for channel in source.model.channels], stated)
    # What its authors' network says stays as it is: nothing of hyoid's own is taken away or added.
    constants = {"channels": list(channels), "gradient": entry.gradient, "postprocessing": "none"}
    kept = answering(source, ("gtvp", "gtvn")).manifest
    return replace(source, manifest=kept.model_copy(update={"preprocessing": constants}))


def _folder_source(entry: Entry) -> NnunetSource:
    if entry.model in public_models() and pulled_folder(entry.model) is None:
        raise UsageError(
            f"The public weights {entry.model!r} are not on this machine.", f"Run: hyoid models pull {entry.model}"
        )
    folder, provenance = nnunet_folder(entry.model)
    row = None
    if provenance is not None:
        # The table of this version knows more than what an earlier one noted beside the weights.
        row = public_models().get(provenance.model.name, provenance.model)
    model = read_nnunet_folder(
        folder, configuration=entry.configuration, folds=entry.folds, checkpoint=entry.checkpoint
    )
    name = entry.name or (row.name if row is not None else model.name)
    return nnunet_source(model, name=name, row=row, stated=entry.labels)


def _answering_some(source: NnunetSource, names: Sequence[str], what: str) -> NnunetSource:
    """The source limited to organs, or to targets."""
    kept = [name for name in source.manifest.supported if name in names]
    if not kept:
        raise ModelUnusableError(
            f"{source.manifest.name!r} outlines {', '.join(source.manifest.supported)}: not {what}.",
            "Give it in its own place (docs/models.md), or state what its labels mean by `labels`.",
        )
    limited = answering(source, kept)
    assert isinstance(limited, NnunetSource)
    return limited


def _require_ct(source: NnunetSource) -> None:
    channels = source.model.channels
    if len(channels) != 1 or modality_of(channels[0]) != "CT":
        names = ", ".join(channel.name for channel in channels)
        raise ModelUnusableError(
            f"{source.manifest.name!r} sees {len(channels)} channel(s) ({names}), and this place gives it a CT alone.",
            "Give a network that was trained on CT alone.",
        )


def _require_kind(manifest: Manifest, kind: Kind) -> None:
    found = kind_of(manifest)
    if found is not kind:
        raise ModelUnusableError(
            f"Model {manifest.name!r} is {_WORDS[found]}, and this place takes {_WORDS[kind]}.",
            "Give it in its own place (docs/models.md), or another package here.",
        )


def _require_usable(stated: SourceTable, offers: Sequence[Offer]) -> None:
    """Refuse a choice of the run's file that no network at hand can answer."""
    for structure, order in stated.orders.items():
        for ranked in order:
            offer = next((offer for offer in offers if offer.source == ranked.source), None)
            if offer is None:
                at_hand = ", ".join(offer.source for offer in offers)
                raise UsageError(
                    f"The file of models chooses {ranked.source!r} for {structure}, which is not among the networks.",
                    f"Name it under `organs`, or choose one of: {at_hand}.",
                )
            if structure not in offer.structures:
                raise UsageError(
                    f"The file of models chooses {ranked.source!r} for {structure}, which it does not outline.",
                    f"{ranked.source!r} outlines: {', '.join(offer.structures)}.",
                )


def _offer(name: str) -> Offer:
    """What a source of a table outlines, its weights unseen."""
    if name in packages():
        return Offer(name, read_manifest(package_folder(name)).supported)
    if name in (public := public_models()):
        rows = public[name].structures.values()
        return Offer(name, tuple(s for s in _ORGAN_NAMES if s in rows))
    return Offer(name, organ_source(Entry(model=name)).manifest.supported)


def _sources_here(tables: Sequence[SourceTable]) -> list[str]:
    """Sources of the tables that are on this machine."""
    named = dict.fromkeys(name for table in tables for name in table.sources())
    return [n for n in named if n in packages() or pulled_folder(n) is not None or _is_folder(n)]


def _is_folder(name: str) -> bool:
    return (Path(name) / MANIFEST).is_file() or is_nnunet_folder(Path(name))


def _is_foreign(name: str) -> bool:
    """Whether a name means an nnU-Net folder or fetched weights, and no hyoid package."""
    if (Path(name) / MANIFEST).is_file() or name in packages():
        return False
    return is_nnunet_folder(Path(name)) or pulled_folder(name) is not None or name in public_models()


def _virtual_only(manifest: Manifest) -> bool:
    return all(manifest.learned_from.virtual_only(name) for name in manifest.supported)


def _renamed(manifest: Manifest, name: str) -> Manifest:
    return manifest.model_copy(update={"name": name})


def _shown(entry: Entry) -> str:
    return entry.name or Path(entry.model).name
