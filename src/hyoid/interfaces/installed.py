"""The models on this machine: packages that came with hyoid, and public weights that were pulled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.interfaces.places import WEIGHTS, weights_folder
from hyoid.io.packages.model_package import MANIFEST, ModelPackage, read_package
from hyoid.io.packages.nnunet_folder import is_nnunet_folder
from hyoid.io.packages.public_weights import PROVENANCE, Provenance, PublicModel, read_provenance, read_table

OUTLINING = ("organs", "neck")  # packages that outline organs, the better founded one first
TEMPLATE = "sgrnet-template"  # says which sub-sites an outlined tumour overlaps
PETCT_HEAD, PETCT_COARSE = "petct-head", "petct-coarse"
PETCT_FINE = ("petct-resenc", "petct-segresnet")
MIDRT = "midrt"


def packages() -> dict[str, Path]:
    """List the folders of the packages that came with hyoid, by name."""
    return {p.parent.name: p.parent for p in sorted(WEIGHTS.glob(f"*/{MANIFEST}"))}


def package_folder(name: str) -> Path:
    """Find the folder of a package by name or path.

    Raises
    ------
    UsageError
        When no package has that name or lies there.
    """
    if (Path(name) / MANIFEST).is_file():
        return Path(name)
    if name not in packages():
        raise UsageError(f"There is no model {name!r}.", f"Choose one of: {', '.join(packages())}; or give a folder.")
    return packages()[name]


def load_model(name: str) -> ModelPackage:
    """Load a model package by name or folder, and verify its weights.

    Parameters
    ----------
    name : str
        Name of an installed package, or its folder.

    Raises
    ------
    UsageError
        When no package has that name or lies there.
    ModelUnusableError
        When the package is damaged.
    """
    return read_package(package_folder(name))


def load_models(names: Sequence[str]) -> list[ModelPackage]:
    """Load the packages in the order of `names`, with the errors of `load_model`."""
    return [load_model(name) for name in names]


def public_models(table: Path | None = None) -> dict[str, PublicModel]:
    """List the public weights that can be pulled, by name.

    Parameters
    ----------
    table : Path, optional
        Another table than the one in the package.
    """
    return dict(_shipped()) if table is None else read_table(table)


@cache
def _shipped() -> dict[str, PublicModel]:
    return read_table(WEIGHTS / "public.yaml")


def pulled_folder(name: str) -> Path | None:
    """Find the folder of public weights by name or path; None when the weights are not on this machine."""
    for folder in (Path(name), weights_folder() / name):
        if (folder / PROVENANCE).is_file():
            return folder
    return None


def nnunet_folder(name: str) -> tuple[Path, Provenance | None]:
    """Find an nnU-Net folder by path or by the name of pulled weights, and its provenance where that is known.

    Raises
    ------
    UsageError
        When no nnU-Net folder is found under that name or path.
    """
    pulled = pulled_folder(name)
    places = [Path(name)] if pulled is None else [pulled, *sorted(p.parent for p in pulled.rglob("plans.json"))]
    for folder in places:
        if is_nnunet_folder(folder):
            owner = next((p for p in (folder, *folder.absolute().parents) if (p / PROVENANCE).is_file()), None)
            return folder, None if owner is None else read_provenance(owner)
    raise UsageError(
        f"{Path(name).name!r} is no nnU-Net v2 folder and no pulled model.",
        "Give the folder that holds plans.json and dataset.json, or a name from `hyoid models list`.",
    )
