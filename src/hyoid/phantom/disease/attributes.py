"""The five attributes of a lesion, and how they are measured back from a CT and a mask.

Thresholds are those that separate what `hyoid.phantom.disease.lesions` draws; `benchmarks/phantom_attributes.py` prints
how often the measurement agrees with what was drawn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError

# Longest extent below which a lesion is punctate, mm.
PUNCTATE_MM = 11.0
# Smallest over largest half axis (of the ellipsoid with the same second moments) below which it is a thickened wall.
_FLAT = 0.38
# Volume over that of the ellipsoid with the same second moments, and over that of its closing: a ball has 1.
_ROUND = 0.85
# Difference from muscle within which a lesion is isodense, HU.
ISODENSE_HU = 15.0
# Spread inside (from the quartiles, which edges and vessels do not move) over that of noise (in quadrature), HU.
_HETEROGENEOUS_HU = 13.0
# Share of the step at the border that is taken within 2 mm either side of it.
_BORDER_MM, _SHARP = 2.0, 0.62
# Share of the surface within 2 mm of organs, bone, vessels or cartilage.
CLOSE_SHARE = 0.12
_NEAR_MM = 2.0


@dataclass(frozen=True)
class Attributes:
    """One word of each row of `hyoid.anatomy.lesion_attributes.ATTRIBUTES`.

    Raises
    ------
    UsageError
        When a word is not in its row.
    """

    shape: str
    invasion: str
    density: str
    heterogeneity: str
    surface: str

    def __post_init__(self) -> None:
        for name, word in asdict(self).items():
            if word not in ATTRIBUTES[name]:
                raise UsageError(
                    f"A lesion's {name} cannot be {word!r}.", f"Choose one of {', '.join(ATTRIBUTES[name])}."
                )

    def classes(self) -> tuple[int, int, int, int, int]:
        """Class index of each attribute, in the order of the table.

        Examples
        --------
        >>> Attributes("irregular", "close_relationship", "isodense", "homogeneous", "well_defined").classes()
        (1, 1, 1, 0, 0)
        """
        a, b, c, d, e = (ATTRIBUTES[name].index(word) for name, word in asdict(self).items())
        return a, b, c, d, e


def measure_attributes(
    image_hu: NDArray[Any],
    mask: NDArray[np.bool_],
    structures: NDArray[np.bool_],
    muscle_hu: float,
    noise_hu: float,
    spacing_mm: tuple[float, float, float],
) -> Attributes:
    """Measure the attributes of one lesion on the image.

    Parameters
    ----------
    image_hu : ndarray, shape (D, H, W)
        CT on the grid of the mask, HU.
    mask : ndarray of bool
        Voxels of one lesion, not empty.
    structures : ndarray of bool
        Bone, cartilage, vessels, glands, organs: what a lesion may be in close relationship with.
    muscle_hu, noise_hu : float
        Median of muscle in this image, and standard deviation of noise after smoothing as here (see `smoothed`).
    spacing_mm : (slice, row, column)
        Voxel spacing of image and masks.

    Raises
    ------
    ValueError
        When the mask is empty.
    """
    if not mask.any():
        raise ValueError("The mask is empty; attributes belong to a lesion.")
    where = around(mask, spacing_mm, 9.0)
    image, mask, structures = image_hu[where].astype(np.float32), mask[where], structures[where]
    depth = signed_depth(mask, spacing_mm)
    inner = depth > min(1.5, 0.5 * float(depth.max()))
    values = image[inner]
    difference = float(np.median(values)) - muscle_hu
    density = "isodense" if abs(difference) <= ISODENSE_HU else "hypodense" if difference < 0 else "hyperdense"
    deep = depth > min(2.5, 0.6 * float(depth.max()))
    spread = quartile_spread(smoothed(image, spacing_mm)[deep]) if deep.sum() > 3 else 0.0
    uneven = np.sqrt(max(spread**2 - noise_hu**2, 0.0)) > _HETEROGENEOUS_HU
    return Attributes(
        shape=shape_of(mask, spacing_mm),
        invasion="close_relationship" if contact_share(mask, structures, spacing_mm) >= CLOSE_SHARE else
        "no_close_relationship",
        density=density,
        heterogeneity="heterogeneous" if uneven else "homogeneous",
        surface="well_defined" if sharpness(image, mask, spacing_mm) >= _SHARP else "ill_defined",
    )  # fmt: skip


def around(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], margin_mm: float
) -> tuple[slice, slice, slice]:
    """Find the part of the grid around a mask."""
    box = ndi.find_objects(mask.astype(np.uint8))[0]
    d, h, w = (
        slice(max(0, s.start - int(np.ceil(margin_mm / v))), s.stop + int(np.ceil(margin_mm / v)))
        for s, v in zip(box, spacing_mm, strict=True)
    )
    return d, h, w


def signed_depth(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Compute the distance from a mask's surface, positive inside, mm; half a voxel on either side of the surface."""
    half = 0.5 * min(spacing_mm)
    padded = np.pad(mask, 1)
    inside = ndi.distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1, 1:-1] - half
    outside = ndi.distance_transform_edt(~mask, sampling=spacing_mm) - half
    return np.where(mask, inside, -outside).astype(np.float32)


def quartile_spread(values: NDArray[Any]) -> float:
    """Compute the standard deviation of a normal distribution with the quartiles of the values."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float(high - low) / 1.349


def smoothed(image: NDArray[Any], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Smooth an image by a Gaussian of 1 mm (at most one voxel), which takes off noise below about 2 mm."""
    return ndi.gaussian_filter(np.asarray(image, np.float32), [min(1.0 / s, 1.0) for s in spacing_mm])


def shape_of(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> str:
    """Name the shape of a mask: small ones are punctate, flat ones a thickened wall, ragged ones irregular."""
    index = np.argwhere(mask) * np.array(spacing_mm)
    away = index - index.mean(0)
    voxel = np.diag(np.array(spacing_mm) ** 2 / 12)
    axes = np.sqrt(5 * np.linalg.eigvalsh(away.T @ away / len(away) + voxel))  # half axes of the equal ellipsoid
    if 2 * axes[-1] < PUNCTATE_MM:
        return "punctate_nodular"
    if axes[0] / axes[-1] < _FLAT:
        return "wall_thickening"
    filled = len(index) * float(np.prod(spacing_mm)) / (4 / 3 * np.pi * float(np.prod(axes)))
    return "round_like" if min(filled, solidity(mask, spacing_mm)) >= _ROUND else "irregular"


def solidity(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Divide a mask's volume by its volume after a closing with a third of its size."""
    radius = 0.33 * (3 * mask.sum() * float(np.prod(spacing_mm)) / (4 * np.pi)) ** (1 / 3)
    pad = [int(np.ceil(radius / s)) + 1 for s in spacing_mm]
    padded = np.pad(mask, [(p, p) for p in pad])
    grown = ndi.distance_transform_edt(~padded, sampling=spacing_mm) <= radius
    closed = ndi.distance_transform_edt(grown, sampling=spacing_mm) > radius
    opened = ndi.distance_transform_edt(padded, sampling=spacing_mm) > radius
    rounded = ndi.distance_transform_edt(~opened, sampling=spacing_mm) <= radius if opened.any() else padded
    return float(min(padded.sum(), (rounded & padded).sum()) / max((closed | padded).sum(), 1))


def contact_share(
    mask: NDArray[np.bool_], structures: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> float:
    """Compute the share of a mask's surface that lies in structures or within 2 mm of one."""
    inner = ndi.binary_erosion(mask, border_value=0)
    surface = mask & ~inner
    if not structures.any():
        return 0.0
    reach = max(_NEAR_MM, 1.01 * max(spacing_mm))
    near = ndi.distance_transform_edt(~structures, sampling=spacing_mm) <= reach
    return float(near[surface].mean())


def sharpness(image: NDArray[Any], mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Compute the share of the grey step across a border that falls within 2 mm of the border; 1 without any step.

    Taken over those points of the surface where 4.5 mm inside and 6 mm outside differ by 30 HU or more, outside is
    neither air nor bone, and no third tissue begins close by; of these the half with the greater step. So a lesion of
    muscle's density shows its border only to fat.
    """
    depth = ndi.gaussian_filter(signed_depth(mask, spacing_mm), [1.0 / s for s in spacing_mm])
    normal = np.stack(np.gradient(depth, *spacing_mm))
    surface = np.argwhere(mask & ~ndi.binary_erosion(mask, border_value=0)).T
    direction = normal[:, surface[0], surface[1], surface[2]]
    direction /= np.maximum(np.linalg.norm(direction, axis=0), 1e-3)
    start = surface - direction * depth[surface[0], surface[1], surface[2]] / np.array(spacing_mm)[:, None]
    far_mm = min(4.5, 0.8 * float(depth.max()))
    calm = smoothed(image, spacing_mm)

    def at(mm: float, values: NDArray[Any] = calm) -> NDArray[np.float32]:
        points = start + direction * mm / np.array(spacing_mm)[:, None]
        return ndi.map_coordinates(values.astype(np.float32), points, order=1, mode="nearest")

    outside, inside = at(-6.0), at(far_mm)
    step = inside - outside
    # Another tissue close behind the border would look like a slope.
    even = np.abs(at(-4.0) - outside) < np.maximum(0.4 * np.abs(step), 10)
    clear = even & (np.abs(step) > 30) & (outside > -300) & (outside < 150)
    if clear.sum() < 10:
        return 1.0
    clear &= np.abs(step) >= np.median(np.abs(step[clear]))
    near = at(min(_BORDER_MM, far_mm), image) - at(-_BORDER_MM, image)
    return float((near * step)[clear].sum() / (step[clear] ** 2).sum())
