"""Carry the pre-treatment MR and its outlines onto the mid-treatment MR: rigid, then deformable, then checked.

::

    pre, mid -> body outlines -> rigid (mutual information) -> 2 mm grid of mid -> convexAdam -> field
                                                                                             -> quality
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import bounding_box, crop
from hyoid.geometry.overlap import dice_of_masks
from hyoid.geometry.resample import grid_with_spacing, resample, to_sitk
from hyoid.preprocess.convex_adam import Settings, convex_adam, folding_share
from hyoid.preprocess.mr_body import mr_body
from hyoid.progress import Steps, ignore_steps
from hyoid.volume import Geometry, Quantity, Volume

WORKING_MM = 2.0
_BODY_EDGE_MM = 8.0  # kept around the body, so that its surface is seen
_RIGID_MM = (6.0, 3.0)
_INVERSE_STEPS = 8
_DEFAULTS = Settings()


@dataclass(frozen=True, eq=False)
class Registration:
    """Where each point of the mid image lies in the pre image.

    Parameters
    ----------
    rigid : ndarray, shape (4, 4)
        LPS mm of mid to LPS mm of pre.
    field_mm : ndarray, shape (3, d, h, w)
        Components x, y, z (LPS); added to a point of mid before the rigid step.
    geometry : Geometry
        Grid of the field, in the world of mid.
    """

    rigid: NDArray[np.float64]
    field_mm: NDArray[np.float32]
    geometry: Geometry

    def transform(self) -> sitk.Transform:
        """Make the transform for SimpleITK: first the field, then the rigid step."""
        together = sitk.CompositeTransform(3)
        affine = sitk.AffineTransform(3)
        affine.SetMatrix(self.rigid[:3, :3].ravel().tolist())
        affine.SetTranslation(self.rigid[:3, 3].tolist())
        # A composite applies its last transform first.
        together.AddTransform(affine)
        together.AddTransform(sitk.DisplacementFieldTransform(_vector_image(self.field_mm, self.geometry)))
        return together


@dataclass(frozen=True)
class Quality:
    """What a registration is worth.

    Parameters
    ----------
    body_dice : float
        Of the mid body and the body of the pre image as carried over, where both were scanned.
    similarity : float
        Median correlation of both images in blocks of 16 mm inside the body, after the whole registration.
    similarity_rigid : float
        The same after the rigid step alone.
    folding : float
        Share of the field that turns space inside out.
    largest_mm : float
        99th percentile of the displacement inside the body.
    covered : float
        Share of the mid body that the pre image shows.
    """

    body_dice: float
    similarity: float
    similarity_rigid: float
    folding: float
    largest_mm: float
    covered: float


def register(
    pre: Volume,
    mid: Volume,
    settings: Settings = _DEFAULTS,
    on_progress: Steps = ignore_steps,
) -> tuple[Registration, Quality]:
    """Register pre onto mid, and measure how well that went.

    Parameters
    ----------
    pre, mid : Volume, MR
        Canonical orientation.
    settings : Settings
        Of convexAdam, in voxels of 2 mm.
    on_progress : callable
        Called with (steps done, steps in all).

    Raises
    ------
    UnsuitableScanError
        When an image shows no body.
    """
    steps = settings.iterations + 5
    masks = {}
    for name, volume in (("pre", pre), ("mid", mid)):
        masks[name] = mr_body(volume.require(Quantity.MR))
        if not masks[name].any():
            raise UnsuitableScanError(f"The {name}-treatment MR shows no body.", "Give the T2w series of the neck.")
    on_progress(1, steps)
    rigid = rigid_matrix(pre, mid)
    on_progress(2, steps)
    grid = _working_grid(mid, masks["mid"])
    fixed = resample(_unframed(mid), grid).array
    body = resample(mid.with_array(masks["mid"].astype(np.uint8), Quantity.LABEL), grid).array > 0
    still = Registration(rigid, np.zeros((3, *grid.shape), np.float32), grid)
    moving, scanned = _carried_image(pre, still, grid)
    field = convex_adam(
        _scaled(fixed, body),
        _scaled(moving, body),
        settings,
        mask=body & scanned,
        on_progress=lambda done, total: on_progress(2 + done, steps),
    )
    vectors = np.einsum("ab,bijk->aijk", grid.ijk_to_lps[:3, :3], field).astype(np.float32)
    found = Registration(rigid, vectors, grid)
    final, reached = _carried_image(pre, found, grid)
    pre_body = carry(pre.with_array(masks["pre"].astype(np.uint8), Quantity.LABEL), found, grid).array > 0
    length_mm = np.linalg.norm(vectors, axis=0)
    quality = Quality(
        body_dice=dice_of_masks(pre_body & reached, body & reached, empty=0.0),
        similarity=block_correlation(fixed, final, body & reached),
        similarity_rigid=block_correlation(fixed, moving, body & scanned),
        folding=folding_share(field),
        largest_mm=float(np.quantile(length_mm[body], 0.99)),
        covered=float((body & reached).sum() / body.sum()),
    )
    on_progress(steps, steps)
    return found, quality


def carry(volume: Volume, registration: Registration, target: Geometry, *, outside: float = 0.0) -> Volume:
    """Carry a volume of the pre scan onto a grid of the mid scan; labels by the nearest voxel, images linearly.

    Parameters
    ----------
    volume : Volume
        In the world of pre.
    registration : Registration
        Where each voxel of the later scan lies in the earlier one.
    target : Geometry
        In the world of mid.
    outside : float
        Value where the pre scan shows nothing.
    """
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in target.shape[::-1]])
    resampler.SetOutputSpacing(target.spacing_mm[::-1])
    resampler.SetOutputOrigin(target.origin_lps_mm.tolist())
    resampler.SetOutputDirection(target.directions[:, ::-1].ravel().tolist())
    labels = volume.quantity is Quantity.LABEL
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if labels else sitk.sitkLinear)
    resampler.SetDefaultPixelValue(outside)
    resampler.SetTransform(registration.transform())
    image = to_sitk(volume)
    result = resampler.Execute(image if labels else sitk.Cast(image, sitk.sitkFloat32))
    return Volume(sitk.GetArrayFromImage(result), target, volume.quantity)


def places_on_mid(points_lps: NDArray[np.float64], registration: Registration) -> NDArray[np.float64]:
    """Find where points of the pre scan lie on the mid scan.

    The field leads from mid to pre; its inverse is found by iteration, which converges where the field does not fold.

    Parameters
    ----------
    points_lps : ndarray, shape (N, 3)
        mm, in the world of pre.
    registration : Registration
        Where each voxel of the later scan lies in the earlier one.

    Returns
    -------
    ndarray, shape (N, 3)
        mm, in the world of mid.
    """
    back = np.linalg.inv(registration.rigid)
    still = points_lps @ back[:3, :3].T + back[:3, 3]
    places = still
    for _ in range(_INVERSE_STEPS):
        index = registration.geometry.to_ijk(places).T
        shift = [ndimage.map_coordinates(part, index, order=1, mode="constant") for part in registration.field_mm]
        places = still - np.stack(shift, axis=1)
    return places


def rigid_matrix(pre: Volume, mid: Volume) -> NDArray[np.float64]:
    """Compute the rigid motion from mid to pre (LPS mm, 4 x 4) by mutual information on 6 mm, then 3 mm.

    It starts from where both images lie, or from their centres one upon the other, whichever is more alike.

    Parameters
    ----------
    pre, mid : Volume, MR
        Earlier and later scan.
    """
    images = []
    for volume in (mid, pre):
        small = resample(_unframed(volume), grid_with_spacing(volume.geometry, (3.0, 3.0, 3.0)))
        # Logarithms bring bright fluid nearer to tissue.
        low = float(np.quantile(small.array, 0.05))
        images.append(to_sitk(small.with_array(np.log1p(np.maximum(small.array - low, 0)).astype(np.float32))))
    fixed, moving = images
    centred = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.GEOMETRY
    )
    as_placed = sitk.Euler3DTransform()
    as_placed.SetCenter(sitk.Euler3DTransform(centred).GetCenter())
    results = []
    for start in (as_placed, sitk.Euler3DTransform(centred)):
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(32)
        # A regular sample makes the same input give the same answer.
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(0.25)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, 80, relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel([round(s / 3.0) for s in _RIGID_MM])
        method.SetSmoothingSigmasPerLevel([3.0, 1.0])
        method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
        method.SetInitialTransform(start, inPlace=True)
        try:
            method.Execute(fixed, moving)
        except RuntimeError:
            # The images do not meet from this start; the other one is centred and always does.
            continue
        results.append((method.GetMetricValue(), start))
        if start is as_placed and _near(as_placed, sitk.Euler3DTransform(centred), fixed):
            break
    best = min(results, key=lambda row: row[0])[1]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(best.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = best.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def block_correlation(
    a: NDArray[np.float32], b: NDArray[np.float32], inside: NDArray[np.bool_], *, edge: int = 8
) -> float:
    """Compute the median over cubes (`edge` voxels, at least half inside) of the correlation of two images; 0 without
    a cube.

    Parameters
    ----------
    a, b : ndarray, shape (D, H, W)
        Grey values of two images on one grid.
    inside : ndarray of bool, shape (D, H, W)
        Voxels that count.
    edge : int
        Edge of a block, voxels.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
    >>> round(block_correlation(image, 3 * image + 1, np.ones((8, 8, 8), bool)), 3)
    1.0
    """
    counts = [n // edge for n in a.shape]
    if not all(counts):
        return 0.0
    cut = tuple(slice(0, n * edge) for n in counts)

    def blocks(array: NDArray) -> NDArray[np.float64]:
        d, h, w = counts
        parts = array[cut].reshape(d, edge, h, edge, w, edge).transpose(0, 2, 4, 1, 3, 5)
        return parts.reshape(d * h * w, -1).astype(np.float64)

    enough = blocks(inside).mean(axis=1) > 0.5
    x, y = blocks(a)[enough], blocks(b)[enough]
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    length = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    known = length > 0
    return float(np.median((x * y).sum(axis=1)[known] / length[known])) if known.any() else 0.0


def _near(first: sitk.Transform, second: sitk.Transform, fixed: sitk.Image) -> bool:
    """Whether two motions put the middle of the image within a centimetre of each other."""
    middle = fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    return bool(np.linalg.norm(np.subtract(first.TransformPoint(middle), second.TransformPoint(middle))) < 10)


def _working_grid(mid: Volume, body: NDArray[np.bool_]) -> Geometry:
    """2 mm grid around the mid body."""
    box = bounding_box(body)
    assert box is not None
    edge = tuple(int(np.ceil(_BODY_EDGE_MM / s)) for s in mid.geometry.spacing_mm)
    inside = crop(_unframed(mid), box.grown(edge, mid.array.shape))  # type: ignore[arg-type]
    return grid_with_spacing(inside.geometry, (WORKING_MM,) * 3)


def _carried_image(
    pre: Volume, registration: Registration, grid: Geometry
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The pre image on a grid of mid, and where the pre scan shows anything."""
    beyond = -1.0 + min(0.0, float(pre.array.min()))
    image = carry(pre, registration, grid, outside=beyond).array
    scanned = image > beyond + 0.5
    return np.where(scanned, image, 0).astype(np.float32), scanned


def _scaled(image: NDArray[np.float32], body: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Intensities in units of the body's median, lightly smoothed, so that noise in air does not look like tissue."""
    usual = float(np.median(image[body])) or 1.0
    return ndimage.gaussian_filter(image / usual, 0.5).astype(np.float32)


def _unframed(volume: Volume) -> Volume:
    """Without a frame of reference: the two scans have different ones, and that is what registration is for."""
    return Volume(volume.array, Geometry(volume.geometry.shape, volume.geometry.ijk_to_lps), volume.quantity)


def _vector_image(field_mm: NDArray[np.float32], geometry: Geometry) -> sitk.Image:
    image = sitk.GetImageFromArray(np.moveaxis(field_mm, 0, -1).astype(np.float64), isVector=True)
    image.CopyInformation(to_sitk(Volume(field_mm[0], geometry, Quantity.MR)))
    return image
