"""An nnU-Net folder in the place of a model package: what its labels and channels mean to hyoid, and a manifest for it.

The meaning of a label is stated by a user or by the table of public weights, or follows from its name in the folder's
own `dataset.json`; what is stated is compared with those names, so that a table for another network is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hyoid.anatomy.foreign_names import plain_name, structure_named
from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import ModelUnusableError
from hyoid.io.packages.download import sha256_of
from hyoid.io.packages.model_package import LearnedFrom, Manifest, ModelPackage
from hyoid.io.packages.nnunet_folder import NnunetModel
from hyoid.io.packages.public_weights import PublicModel

NOT_TOLD = "not told by the folder"


@dataclass(frozen=True, eq=False)
class NnunetSource:
    """nnU-Net folder that answers in the place of a model package.

    Parameters
    ----------
    manifest : Manifest
        Name, licence, training data and the structures that the folder is asked for (`supported`).
    model : NnunetModel
        The folder as it is run.
    values : mapping of str to tuple of int
        Structure of hyoid to its values in the folder's label map.
    row : PublicModel or None
        Row of the table of public weights; None for a folder of the user's.
    """

    manifest: Manifest
    model: NnunetModel
    values: Mapping[str, tuple[int, ...]]
    row: PublicModel | None = None


Source = ModelPackage | NnunetSource
"""What can stand in the place of a network of hyoid."""


def nnunet_source(
    model: NnunetModel,
    *,
    name: str,
    row: PublicModel | None = None,
    stated: Mapping[str, str] | None = None,
) -> NnunetSource:
    """Give an nnU-Net folder the manifest of a package, and its labels the meaning that they have in hyoid.

    Parameters
    ----------
    model : NnunetModel
        Folder that was read.
    name : str
        Name under which outputs tell the source.
    row : PublicModel, optional
        Row of the table of public weights that the folder was fetched by.
    stated : mapping of str to str, optional
        Structures by the names of labels in `dataset.json`, where a user states them.

    Raises
    ------
    ModelUnusableError
        When no label is a structure of hyoid, or what is stated contradicts `dataset.json`.
    """
    values = label_values(model, stated or {}, {} if row is None else row.structures)
    structures = tuple(values)
    flat = len(model.patch) == 2
    teachers = structures if row is not None and row.taught_by == "real" else ()
    manifest = Manifest(
        name=name,
        version=f"{'fold' if len(model.checkpoints) == 1 else 'folds'} {', '.join(model.checkpoints)}",
        words=row.words if row is not None else f"nnU-Net v2, {model.name}.",
        task="segmentation",
        network=dict(model.network),
        labels=structures,
        supported=structures,
        spacing_mm=(0.0, *model.spacing_mm) if flat else model.spacing_mm,  # type: ignore[arg-type]
        patch=(1, *model.patch) if flat else model.patch,  # type: ignore[arg-type]
        preprocessing={},
        learned_from=LearnedFrom(real=teachers),
        training_data=row.cite if row is not None else NOT_TOLD,
        licence=row.licence if row is not None else NOT_TOLD,
        sha256=weights_hash(tuple(model.checkpoints.values())),
    )
    return NnunetSource(manifest, model, values, row)


def label_values(model: NnunetModel, stated: Mapping[str, str], table: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """Find the values in a folder's label map for each structure of hyoid.

    Parameters
    ----------
    model : NnunetModel
        Folder whose `dataset.json` names the labels.
    stated : mapping of str to str
        Structures by label names, from a user; these alone count where there are any.
    table : mapping of int to str
        Structures by label, from the table of public weights; used where the user states nothing, and compared with
        the names. Without both, the names themselves are read.

    Raises
    ------
    ModelUnusableError
        When a label or structure does not exist, a name contradicts the table, or nothing is left.
    """
    names = {name: value if isinstance(value, tuple) else (value,) for name, value in model.labels.names.items()}
    if stated:
        found = _of_user(model, names, stated)
    elif table:
        found = _of_table(model, names, table)
    else:
        known = [(structure_named(name), name) for name in names]
        found = [(structure, name) for structure, name in known if structure is not None]
    structures = [structure for structure, _ in found]
    if twice := [s for s in structures if structures.count(s) > 1]:
        both = ", ".join(repr(name) for structure, name in found if structure == twice[0])
        raise ModelUnusableError(
            f"Several labels of {model.name} are {twice[0]}: {both}.",
            "State the one that is meant by `labels` in the file of --models.",
        )
    if not found:
        some = ", ".join(list(names)[:6])
        raise ModelUnusableError(
            f"No label of {model.name} ({some}{', …' if len(names) > 6 else ''}) has the name of a structure of hyoid.",
            "State what its labels mean by `labels: {NAME: STRUCTURE}` in the file of --models.",
        )
    return {structure: names[name] for structure, name in sorted(found, key=lambda row: BY_NAME[row[0]].label)}


def answering(source: Source, structures: Sequence[str]) -> Source:
    """Limit a source to some of the structures that it can outline.

    Parameters
    ----------
    source : ModelPackage or NnunetSource
        Source of outlines.
    structures : sequence of str
        Structures to keep, in any order.

    Raises
    ------
    ModelUnusableError
        When the source does not outline one of them.
    """
    manifest = source.manifest
    if missing := [name for name in structures if name not in manifest.supported]:
        raise ModelUnusableError(
            f"{manifest.name!r} does not outline {missing[0]}.",
            f"Structures at hand: {', '.join(manifest.supported)}.",
        )
    kept = tuple(name for name in manifest.supported if name in structures)
    return replace(source, manifest=manifest.model_copy(update={"supported": kept}))


def weights_hash(files: Sequence[Path]) -> str:
    """Compute the SHA-256 of a checkpoint; of several, that of their hashes one after the other.

    Parameters
    ----------
    files : sequence of Path
        Checkpoints, at least one.
    """
    hashes = [sha256_of(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _of_user(
    model: NnunetModel, names: Mapping[str, tuple[int, ...]], stated: Mapping[str, str]
) -> list[tuple[str, str]]:
    own = {plain_name(name): name for name in names}
    found = []
    for name, structure in stated.items():
        if plain_name(name) not in own:
            raise ModelUnusableError(
                f"{model.name} has no label {name!r}.", f"Its dataset.json names: {', '.join(names)}."
            )
        if structure not in BY_NAME:
            raise ModelUnusableError(
                f"hyoid has no structure {structure!r} for the label {name!r} of {model.name}.",
                f"Choose one of: {', '.join(BY_NAME)}.",
            )
        found.append((structure, own[plain_name(name)]))
    return found


def _of_table(
    model: NnunetModel, names: Mapping[str, tuple[int, ...]], table: Mapping[int, str]
) -> list[tuple[str, str]]:
    by_value = {value[0]: name for name, value in names.items() if len(value) == 1}
    found = []
    for value, structure in table.items():
        name = by_value.get(value)
        if name is None or structure_named(name) != structure:
            said = "has no such label" if name is None else f"names it {name!r}"
            raise ModelUnusableError(
                f"The table of public weights takes label {value} of {model.name} for {structure}, and the folder's "
                f"dataset.json {said}.",
                "Pull the weights again; or state its labels by `labels: {NAME: STRUCTURE}` in the file of --models.",
            )
        found.append((structure, name))
    return found
