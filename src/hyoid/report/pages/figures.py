"""Pictures for the report: three planes through a point, with outlines, in radiological convention."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from hyoid.anatomy.structures import BY_LABEL, Structure
from hyoid.errors import GeometryError
from hyoid.geometry.orientation import to_canonical
from hyoid.volume import Geometry, Quantity, Volume

WINDOW_HU = (40.0, 400.0)  # centre and width: soft tissue of the neck
FIELD_MM = 200.0  # a head fits; shoulders are cut
PIXELS = 400  # edge of a panel
_JPEG_QUALITY = 84
_ORGAN_STRENGTH = 0.75  # opacity of an organ's contour; a lesion's is opaque
FUSED_SUV = 10.0  # brightest on the fused pictures

# Array axis across the plane, letters left / right / top / bottom. Columns run patient right to left, so the patient's
# right is on the picture's left; the picture's rows run head to feet, against the slices.
_PLANES = {
    "axial": (0, "RLAP"),
    "coronal": (1, "RLHF"),
    "sagittal": (2, "APHF"),
}


@dataclass(frozen=True)
class Panel:
    """JPEG of one plane.

    Parameters
    ----------
    plane : str
        "axial", "coronal" or "sagittal".
    jpeg : bytes
        Content of the JPEG file.
    alt : str
        What it shows, in words.
    """

    plane: str
    jpeg: bytes
    alt: str


@dataclass(frozen=True)
class Figure:
    """Pictures of one place, and the structures to be seen in them.

    Parameters
    ----------
    panels : tuple of Panel
        Axial, coronal and sagittal plane with contours.
    legend : tuple of Structure
        Structures drawn, targets before organs, for the legend.
    plain : Panel or None
        The axial plane without any mark.
    fused : tuple of Panel
        Axial and coronal plane with the PET laid over; empty without a PET.
    """

    panels: tuple[Panel, ...]
    legend: tuple[Structure, ...]
    plain: Panel | None = None
    fused: tuple[Panel, ...] = ()


@dataclass(frozen=True)
class Ruler:
    """A measured diameter to draw.

    Parameters
    ----------
    ends_lps_mm : pair of points
        End points of the diameter, each (x, y, z).
    words : str
        Its length, as the report gives it.
    """

    ends_lps_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    words: str


@dataclass(frozen=True, eq=False)
class Backdrop:
    """Image and outlines in canonical order, made once for all figures of a report.

    Parameters
    ----------
    image : ndarray of uint8, shape (D, H, W)
        Windowed grey values.
    labels : ndarray of int, shape (D, H, W)
        Labels of `hyoid.anatomy.structures`.
    geometry : Geometry
        Canonical grid that image and labels share.
    suv : ndarray, shape (D, H, W), optional
        SUV of the nearest PET voxel.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.integer]
    geometry: Geometry
    suv: NDArray[np.floating] | None = None

    def visible(self, point_ijk: tuple[int, int, int], plane: str = "axial") -> frozenset[str]:
        """List the words of the structures that a plane through a voxel cuts."""
        axis = _PLANES[plane][0]
        found = np.unique(np.take(self.labels, point_ijk[axis], axis=axis)).tolist()
        return frozenset(BY_LABEL[label].words for label in found if label in BY_LABEL)

    def voxel_at(self, point_lps_mm: tuple[float, float, float]) -> tuple[int, int, int]:
        """Find the voxel of the grid that is nearest to a point of the patient."""
        nearest = np.rint(self.geometry.to_ijk(point_lps_mm)).astype(int)
        i, j, k = np.clip(nearest, 0, np.array(self.geometry.shape) - 1).tolist()
        return i, j, k


def make_backdrop(
    image: Volume, labels: Volume, window_hu: tuple[float, float] = WINDOW_HU, pet: Volume | None = None
) -> Backdrop:
    """Window the image and bring it and the outlines into canonical order.

    Images that are not HU (MR, PET) are windowed from their 1st to their 99.5th percentile, probabilities from 0 to 1.

    Parameters
    ----------
    image : Volume
        Scan in HU, or MR, PET or probabilities.
    labels : Volume
        Labels of `hyoid.anatomy.structures`, on the grid of the image.
    window_hu : (centre, width)
        Window for HU; darker and brighter values are cut.
    pet : Volume, optional
        SUV on the same grid.

    Raises
    ------
    GeometryError
        When both lie on different grids.
    """
    labels.require(Quantity.LABEL)
    if not image.geometry.same_grid(labels.geometry):
        raise GeometryError("Image and outlines lie on different grids.", "Resample the outlines onto the image.")
    canonical = to_canonical(image)
    if image.quantity is Quantity.HU:
        low, high = window_hu[0] - window_hu[1] / 2, window_hu[0] + window_hu[1] / 2
    elif image.quantity is Quantity.PROBABILITY:
        low, high = 0.0, 1.0
    else:
        low, high = np.percentile(canonical.array[::2, ::4, ::4], (1, 99.5))
    scaled = np.empty(canonical.array.shape, np.uint8)
    for index, plane in enumerate(canonical.array):  # slice by slice: no second volume of floats
        scaled[index] = np.clip((plane - low) * (255.0 / max(high - low, 1e-6)), 0, 255)
    numbers = to_canonical(labels).array
    whole = numbers if numbers.dtype.kind in "iu" else numbers.astype(np.uint8)
    suv = None
    if pet is not None:
        if not image.geometry.same_grid(pet.require(Quantity.SUV).geometry):
            raise GeometryError("Image and PET lie on different grids.", "Resample the PET onto the image.")
        suv = to_canonical(pet).array
    return Backdrop(scaled, whole, canonical.geometry, suv)


def make_figure(
    backdrop: Backdrop,
    point_lps_mm: tuple[float, float, float],
    *,
    only: frozenset[int] | None = None,
    rulers: Sequence[Ruler] = (),
) -> Figure:
    """Draw the axial, coronal and sagittal plane through a point, each 200 mm wide and in true proportions.

    Parameters
    ----------
    backdrop : Backdrop
        Scan and outlines to draw.
    point_lps_mm : (x, y, z)
        Point that all three planes pass through.
    only : frozenset of int, optional
        Labels to draw; by default all.
    rulers : sequence of Ruler
        Diameters to draw in the axial plane.
    """
    centre = _field_centre(backdrop, point_lps_mm)
    panels, seen = [], set()
    for plane in _PLANES:
        lengths = rulers if plane == "axial" else ()
        picture, found = _draw(backdrop, plane, point_lps_mm, centre, only=only, rulers=lengths)
        seen |= found
        panels.append(Panel(plane, _jpeg(picture), _alt(backdrop, plane, point_lps_mm, found)))
    legend = tuple(BY_LABEL[label] for label in sorted(seen, key=lambda v: (v < 100, v)))
    nothing: frozenset[int] = frozenset()
    bare, _ = _draw(backdrop, "axial", point_lps_mm, centre, only=nothing, cross=False)
    caption = _caption(backdrop, "axial", backdrop.voxel_at(point_lps_mm))
    plain = Panel("axial", _jpeg(bare), f"{caption}, without marks.")
    fused = []
    for plane in ("axial", "coronal") if backdrop.suv is not None else ():
        picture, _ = _draw(backdrop, plane, point_lps_mm, centre, only=nothing, cross=False, fused=True)
        words = _caption(backdrop, plane, backdrop.voxel_at(point_lps_mm))
        fused.append(Panel(plane, _jpeg(picture), f"{words}, PET laid over CT, brightest at SUV {FUSED_SUV:.0f}."))
    return Figure(tuple(panels), legend, plain, tuple(fused))


def make_panel(backdrop: Backdrop, point_lps_mm: tuple[float, float, float], *, like: Backdrop | None = None) -> Panel:
    """Draw the axial plane through a point, 200 mm wide.

    Parameters
    ----------
    backdrop : Backdrop
        Scan and outlines to draw.
    point_lps_mm : (x, y, z)
        Point that the plane passes through.
    like : Backdrop, optional
        Backdrop on the same grid by whose body the field is centred, so that panels side by side show the same field.
    """
    picture, found = _draw(backdrop, "axial", point_lps_mm, _field_centre(like or backdrop, point_lps_mm))
    return Panel("axial", _jpeg(picture), _alt(backdrop, "axial", point_lps_mm, found))


def axial_pixels(
    backdrop: Backdrop, point_lps_mm: tuple[float, float, float], pixels: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Sample the grey values of the axial plane through a point, 200 mm wide, and each pixel's place in the array.

    Parameters
    ----------
    backdrop : Backdrop
        Scan to sample.
    point_lps_mm : (x, y, z)
        Point that the plane passes through.
    pixels : int
        Edge of the square picture.

    Returns
    -------
    grey : ndarray, shape (pixels, pixels), 0..255
    coordinates : ndarray, shape (pixels, pixels, 3)
        (slice, row, column) of every pixel, in voxels.
    """
    slice_index = backdrop.voxel_at(point_lps_mm)[0]
    centre = _field_centre(backdrop, point_lps_mm)[1:]
    step = FIELD_MM / pixels / np.array(backdrop.geometry.spacing_mm[1:])
    start = centre - step * (pixels - 1) / 2
    grey = ndimage.affine_transform(
        backdrop.image[slice_index].astype(np.float32),
        step,
        offset=start,
        output_shape=(pixels, pixels),
        order=1,
        mode="grid-constant",
    )
    rows, columns = np.meshgrid(*(s + d * np.arange(pixels) for s, d in zip(start, step, strict=True)), indexing="ij")
    return grey, np.stack([np.full(rows.shape, float(slice_index)), rows, columns], axis=-1)


def _field_centre(backdrop: Backdrop, point_lps_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Centre of the field in voxels: at the point's height, half way from the point to the middle of the body."""
    i, j, k = backdrop.voxel_at(point_lps_mm)
    body = np.argwhere(backdrop.image[i, ::4, ::4] > 0) * 4
    if not len(body):
        return np.array([i, j, k], float)
    middle = (body.min(axis=0) + body.max(axis=0)) / 2
    return np.array([i, (j + middle[0]) / 2, (k + middle[1]) / 2])


def _draw(
    backdrop: Backdrop,
    plane: str,
    point_lps_mm: tuple[float, float, float],
    centre: NDArray[np.float64],
    *,
    only: frozenset[int] | None = None,
    rulers: Sequence[Ruler] = (),
    cross: bool = True,
    fused: bool = False,
) -> tuple[Image.Image, set[int]]:
    """One panel and the labels drawn in it."""
    axis, letters = _PLANES[plane]
    point = backdrop.voxel_at(point_lps_mm)
    across = [a for a in range(3) if a != axis]
    flip = plane != "axial"
    spacing = np.array([backdrop.geometry.spacing_mm[a] for a in across])
    step = FIELD_MM / PIXELS / spacing  # voxels per pixel
    start = np.array([centre[a] for a in across]) - step * (PIXELS - 1) / 2

    grey = _sampled(np.take(backdrop.image, point[axis], axis=axis), start, step)
    numbers = np.take(backdrop.labels, point[axis], axis=axis)
    colours = np.repeat(grey[..., None], 3, axis=2)
    if fused and backdrop.suv is not None:
        _fuse(colours, _sampled(np.take(backdrop.suv, point[axis], axis=axis), start, step))
    found = set()
    # Targets last, on top of organs.
    for label in np.unique(numbers).tolist():
        if label not in BY_LABEL or (only is not None and label not in only):
            continue
        mask = _sampled((numbers == label).astype(np.float32), start, step) >= 0.5
        if mask.any():
            found.add(label)
            _contour(colours, mask, BY_LABEL[label])
    if flip:
        colours = colours[::-1]
    picture = Image.fromarray(np.ascontiguousarray(colours.astype(np.uint8)))
    row, column = ((np.array([point[a] for a in across]) - start) / step).tolist()
    place = (column, PIXELS - 1 - row if flip else row)
    _annotate(picture, place if cross and not rulers else None, letters, _caption(backdrop, plane, point))
    for ruler in rulers:
        ends = [(backdrop.geometry.to_ijk(end)[across] - start) / step for end in ruler.ends_lps_mm]
        _measure(picture, [(float(c), float(r)) for r, c in ends], ruler.words)
    return picture, found


def _sampled(plane: NDArray[np.generic], start: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float32]:
    """Plane on the picture's pixels, linear; black outside."""
    return ndimage.affine_transform(
        plane.astype(np.float32), step, offset=start, output_shape=(PIXELS, PIXELS), order=1, mode="grid-constant"
    )


def _contour(colours: NDArray[np.float32], mask: NDArray[np.bool_], structure: Structure) -> None:
    """Draw the border of one structure, half a millimetre wide (a lesion's one), and nothing inside of it."""
    is_target = structure.label >= 100
    rgb = np.array(structure.rgb, np.float32)
    edge = mask & ~ndimage.binary_erosion(mask, iterations=2 if is_target else 1)
    strength = 1.0 if is_target else _ORGAN_STRENGTH
    colours[edge] = (1 - strength) * colours[edge] + strength * rgb


def _fuse(colours: NDArray[np.float32], suv: NDArray[np.float32]) -> None:
    """Lay uptake over the picture, from clear through red and yellow to white."""
    share = np.clip(suv / FUSED_SUV, 0, 1)[..., None]
    hot = np.clip(np.concatenate([3 * share, 3 * share - 1, 3 * share - 2], axis=2), 0, 1) * 255
    alpha = np.clip(1.6 * share, 0, 0.85)
    colours[:] = (1 - alpha) * colours + alpha * hot


def _measure(picture: Image.Image, ends: list[tuple[float, float]], words: str) -> None:
    """Draw a diameter with its length beside its end."""
    draw = ImageDraw.Draw(picture)
    for width, colour in ((3, (0, 0, 0)), (1, (255, 235, 120))):
        draw.line([*ends[0], *ends[1]], fill=colour, width=width)
    x, y = max(ends)
    place = (min(x + 5, PIXELS - 60), min(max(y, 12), PIXELS - 12))
    font = ImageFont.load_default(13)
    draw.text(place, words, font=font, anchor="lm", fill=(255, 235, 120), stroke_width=2, stroke_fill=(0, 0, 0))


def _annotate(picture: Image.Image, place: tuple[float, float] | None, letters: str, caption: str) -> None:
    """Letters of the sides, a cross around the point, a 5 cm bar and what plane this is."""
    draw = ImageDraw.Draw(picture)
    letter, small = ImageFont.load_default(24), ImageFont.load_default(15)
    edge, middle = PIXELS - 8, PIXELS / 2
    ink = {"fill": (255, 255, 255), "stroke_width": 2, "stroke_fill": (0, 0, 0)}
    for text, xy, anchor in zip(
        letters, ((8, middle), (edge, middle), (middle, 6), (middle, PIXELS - 6)), ("lm", "rm", "ma", "md"), strict=True
    ):
        draw.text(xy, text, font=letter, anchor=anchor, **ink)  # type: ignore[arg-type]
    draw.text((8, 6), caption, font=small, anchor="la", **ink)  # type: ignore[arg-type]
    x, y = place or (0.0, 0.0)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)) if place is not None else ():
        for width, colour in ((4, (0, 0, 0)), (2, (255, 235, 120))):
            draw.line((x + 12 * dx, y + 12 * dy, x + 24 * dx, y + 24 * dy), fill=colour, width=width)
    bar = 50.0 / FIELD_MM * PIXELS
    draw.line((PIXELS - 10 - bar, PIXELS - 12, PIXELS - 10, PIXELS - 12), fill=(255, 255, 255), width=2)
    draw.text((PIXELS - 10 - bar / 2, PIXELS - 16), "5 cm", font=small, anchor="md", **ink)  # type: ignore[arg-type]


def _caption(backdrop: Backdrop, plane: str, point: tuple[int, int, int]) -> str:
    if plane == "axial":
        return f"Axial, slice {point[0] + 1} of {backdrop.geometry.shape[0]}"
    return plane.capitalize()


def _alt(backdrop: Backdrop, plane: str, point_lps_mm: tuple[float, float, float], found: set[int]) -> str:
    names = ", ".join(BY_LABEL[label].words for label in sorted(found)) or "nothing"
    return f"{_caption(backdrop, plane, backdrop.voxel_at(point_lps_mm))}. Outlined: {names}."


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # Full chroma: with subsampling the thin outlines lose their colour.
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()
