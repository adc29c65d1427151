"""Kinds of packages that are measured alike."""

from __future__ import annotations

from enum import StrEnum

from hyoid.errors import ModelUnusableError
from hyoid.io.packages.model_package import Manifest


class Kind(StrEnum):
    """What a package is measured as."""

    OUTLINES = "outlines"
    """Organs and structures on CT."""
    TARGET = "target"
    """The high-dose target region on CT."""
    INVOLVEMENT = "involvement"
    """Structures that the predicted target covers."""
    SUB_SITES = "sub_sites"
    """Sub-sites that an outlined primary overlaps."""
    LESION = "lesion"
    """The lesion that a reader clicks on."""
    PETCT = "petct"
    """One stage of the PET/CT system."""
    MIDRT = "midrt"
    """Mid-treatment tumour on MR."""


def kind_of(manifest: Manifest) -> Kind:
    """Tell as what a package is measured, from its task and the constants of its preprocessing.

    Parameters
    ----------
    manifest : Manifest
        Of the package.

    Raises
    ------
    ModelUnusableError
        When the manifest is of no kind that hyoid measures.
    """
    constants = manifest.preprocessing
    if manifest.task == "lesion":
        return Kind.LESION
    if manifest.task == "ct_report":
        return Kind.SUB_SITES if constants.get("heatmap") == "outline" else Kind.INVOLVEMENT
    if "stage" in constants:
        return Kind.PETCT
    if "gradient" in constants:
        return Kind.MIDRT
    if "windows_hu" in constants:
        return Kind.TARGET if manifest.labels == ("target_region",) else Kind.OUTLINES
    raise ModelUnusableError(
        f"How package {manifest.name!r} is measured is not known.", "Give a package of `hyoid train`."
    )
