import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_erosion, label
from scipy.spatial.distance import cdist, pdist

from hyoid.anatomy.structures import Side
from hyoid.errors import WrongQuantityError
from hyoid.geometry.resample import from_sitk
from hyoid.metrics.lesions import _widest_slices, find_components, measure_labels, side_of, to_json
from hyoid.volume import Geometry, Quantity, Volume


def volume(array, spacing_mm=(1.0, 1.0, 1.0), geometry=None):
    return Volume(array, geometry or Geometry.axial(array.shape, spacing_mm), Quantity.LABEL)


def box(shape, start, stop, value=1):
    array = np.zeros(shape, np.uint8)
    array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = value
    return array


def oblique(shape, spacing_mm, seed=0):
    """A grid turned by a random rotation."""
    matrix = np.eye(4)
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    matrix[:3, :3] = turned * spacing_mm
    matrix[:3, 3] = (10, -20, 30)
    return Geometry(shape, matrix)


def brute_force(mask, geometry):
    """Longest diameter, and long and short axis of the planes nearest to axial, the slow way."""
    matrix = geometry.ijk_to_lps[:3, :3]
    inverse = np.linalg.inv(matrix)

    def chord(direction):
        return 1 / np.abs(inverse @ direction).max()

    def all_pairs(points):
        places = points @ matrix.T
        distances = cdist(places, places)
        greatest = distances.max()
        for a, b in np.argwhere(distances >= greatest * (1 - 1e-9)):
            if a != b:
                yield greatest, (places[b] - places[a]) / distances[a, b], places

    border = np.argwhere(mask & ~binary_erosion(mask))
    longest = max(d + chord(u) for d, u, _ in all_pairs(border))
    axis = int(np.abs(geometry.directions[2]).argmax())
    normal = np.cross(*[matrix[:, a] for a in range(3) if a != axis])
    normal /= np.linalg.norm(normal)
    candidates = []
    for index in np.unique(border[:, axis]):
        plane = border[border[:, axis] == index]
        if len(plane) < 2:
            continue
        for d, u, places in all_pairs(plane):
            across = np.cross(normal, u)
            short = np.ptp(places @ across) + chord(across)
            candidates.append((round(d, 9), round(d + chord(u), 9), round(short, 9)))
    return longest, *max(candidates, default=(0, None, None))[1:]


def test_boxes_along_each_axis_measure_their_edges():
    for axis in range(3):
        stop = [1, 1, 1]
        stop[axis] = 3
        [row] = measure_labels(volume(box((5, 5, 5), (0, 0, 0), stop), (2.0, 2.0, 2.0)))
        assert row.longest_diameter_mm == pytest.approx(6.0)
        assert row.volume_ml == pytest.approx(0.024)
        assert row.axial_long_mm == pytest.approx(2.0 if axis == 0 else 6.0)
        assert row.axial_short_mm == pytest.approx(2.0)


def test_cube_measures_its_diagonals():
    [row] = measure_labels(volume(box((6, 6, 6), (1, 1, 1), (4, 4, 4)), (2.0, 2.0, 2.0)))
    assert row.longest_diameter_mm == pytest.approx(6 * np.sqrt(3))
    assert row.axial_long_mm == pytest.approx(6 * np.sqrt(2))
    assert row.axial_short_mm == pytest.approx(6 * np.sqrt(2))


def test_added_voxel_is_the_line_inside_it():
    # 4 x 3 voxels of 1 mm in a slice: centres sqrt(13) apart along (3, 2) / sqrt(13); the line leaves the voxel after
    # sqrt(13) / 3. Across, (-2, 3) / sqrt(13): the other corners project to 2 * 6 / sqrt(13), plus sqrt(13) / 3.
    [row] = measure_labels(volume(box((1, 5, 5), (0, 0, 0), (1, 3, 4))))
    assert row.axial_long_mm == pytest.approx(np.sqrt(13) * 4 / 3)
    assert row.axial_short_mm == pytest.approx(12 / np.sqrt(13) + np.sqrt(13) / 3)


def test_anisotropic_diagonal():
    # two voxels that touch at an edge, 3 and 4 mm apart: 5 mm, and the line crosses a voxel in min(3 / .6, 4 / .8).
    array = np.zeros((2, 2, 1), np.uint8)
    array[0, 0, 0] = array[1, 1, 0] = 1
    [row] = measure_labels(volume(array, (3.0, 4.0, 1.0)))
    assert row.longest_diameter_mm == pytest.approx(10.0)
    assert (row.axial_long_mm, row.axial_short_mm) == pytest.approx((4.0, 1.0))


def test_single_voxel_measures_its_edges():
    [row] = measure_labels(volume(box((3, 3, 3), (1, 1, 1), (2, 2, 2)), (3.0, 0.5, 1.0)))
    assert row.longest_diameter_mm == pytest.approx(3.0)
    assert (row.axial_long_mm, row.axial_short_mm) == pytest.approx((1.0, 0.5))
    assert row.voxels == 1
    assert row.centroid_lps_mm == pytest.approx((1.0, 0.5, 3.0))


def test_empty_map_has_no_lesions():
    assert measure_labels(volume(np.zeros((3, 3, 3), np.uint8))) == ()
    assert to_json(()) == {"lesions": []}


def test_components_join_over_corners_but_not_across_labels():
    array = np.zeros((4, 4, 4), np.uint8)
    array[0, 0, 0] = array[1, 1, 1] = 2
    array[2, 2, 2] = 1
    rows = measure_labels(volume(array))
    assert [(r.label, r.lesion, r.voxels) for r in rows] == [(2, 1, 2), (1, 1, 1)]


def test_largest_first_and_numbered_per_label():
    array = box((3, 3, 20), (0, 0, 0), (1, 1, 2), value=2)
    array[:, :, 4:8] = 1
    array[:, :, 10:12] = 2
    rows = measure_labels(volume(array))
    assert [(r.label, r.lesion, r.voxels) for r in rows] == [(1, 1, 36), (2, 1, 18), (2, 2, 2)]


def test_side_follows_the_midline_and_its_margin():
    array = np.zeros((1, 1, 41), np.uint8)
    array[0, 0, [2, 20, 30]] = (1, 2, 3)
    by_label = {r.label: r.side for r in measure_labels(volume(array))}
    assert by_label == {1: Side.RIGHT, 2: Side.MIDLINE, 3: Side.LEFT}
    moved = {r.label: r.side for r in measure_labels(volume(array), midline_x_mm=32.0)}
    assert moved == {1: Side.RIGHT, 2: Side.RIGHT, 3: Side.MIDLINE}
    assert side_of(5.1, 0.0) is Side.LEFT
    assert side_of(5.1, 0.0, margin_mm=6.0) is Side.MIDLINE


def test_flat_slanted_and_straight_lesions_are_exact():
    rng = np.random.default_rng(3)
    plane = np.zeros((9, 9, 9), bool)
    i, j = np.meshgrid(range(9), range(9), indexing="ij")
    keep = rng.random((9, 9)) < 0.7
    plane[i[keep], j[keep], j[keep]] = True  # column = row: a slanted plane
    line = np.zeros((9, 9, 9), bool)
    line[range(9), range(9), range(9)] = True
    for mask in (plane, line):
        geometry = Geometry.axial(mask.shape, (2.5, 0.7, 0.9))
        part = max(find_components(volume(mask.astype(np.uint8), geometry=geometry)), key=lambda c: c.voxels)
        only = np.zeros(mask.shape, bool)
        only[part.box.slices] = part.mask
        [row] = measure_labels(volume(only.astype(np.uint8), geometry=geometry))
        assert row.longest_diameter_mm == pytest.approx(brute_force(only, geometry)[0])


@pytest.mark.parametrize("seed", range(4))
def test_random_blobs_on_oblique_grids_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((14, 16, 12), bool)
    grid = np.indices(mask.shape).reshape(3, -1).T
    for _ in range(3):
        centre = rng.uniform((4, 5, 4), (9, 10, 8))
        mask |= (((grid - centre) / rng.uniform(2, 4, 3)) ** 2).sum(axis=1).reshape(mask.shape) < 1
    geometry = oblique(mask.shape, (2.0, 0.8, 1.1), seed)
    [part] = find_components(volume(mask.astype(np.uint8), geometry=geometry))
    [row] = measure_labels(volume(mask.astype(np.uint8), geometry=geometry))
    assert part.voxels == mask.sum()
    assert (row.longest_diameter_mm, row.axial_long_mm, row.axial_short_mm) == pytest.approx(
        brute_force(mask, geometry), rel=1e-7
    )


def test_answers_do_not_depend_on_array_order():
    rng = np.random.default_rng(5)
    array = (rng.random((7, 8, 9)) < 0.6).astype(np.uint8)
    [row] = measure_labels(volume(array, (2.0, 1.0, 1.5)))
    matrix = Geometry.axial(array.shape, (2.0, 1.0, 1.5)).ijk_to_lps.copy()
    order = [2, 0, 1]
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = matrix[:3, order], matrix[:3, 3]
    moved = np.ascontiguousarray(array.transpose(order)[:, :, ::-1])
    turned[:3, 3] += turned[:3, 2] * (moved.shape[2] - 1)
    turned[:3, 2] *= -1
    [other] = measure_labels(volume(moved, geometry=Geometry(moved.shape, turned)))
    assert other.axial_long_mm == pytest.approx(row.axial_long_mm)
    assert other.axial_short_mm == pytest.approx(row.axial_short_mm)
    assert other.longest_diameter_mm == pytest.approx(row.longest_diameter_mm)
    assert other.centroid_lps_mm == pytest.approx(row.centroid_lps_mm)


def test_flip_swaps_sides_and_nothing_else():
    array = box((4, 6, 30), (0, 1, 2), (3, 5, 9))
    array[1, 2:4, 20:24] = 2
    rows, flipped = measure_labels(volume(array)), measure_labels(volume(np.ascontiguousarray(array[:, :, ::-1])))
    swap = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    for row, other in zip(rows, flipped, strict=True):
        assert other.side is swap[row.side]
        assert other.centroid_lps_mm[0] == pytest.approx(29 - row.centroid_lps_mm[0])
        assert (other.axial_long_mm, other.axial_short_mm) == pytest.approx((row.axial_long_mm, row.axial_short_mm))
        assert other.volume_ml == row.volume_ml


def test_json_has_the_promised_keys_only():
    [entry] = to_json(measure_labels(volume(box((3, 3, 3), (0, 0, 0), (1, 1, 3)), (2.0, 2.0, 2.0))))["lesions"]
    assert entry == {
        "label": 1,
        "lesion": 1,
        "volume_ml": 0.024,
        "longest_diameter_mm": 6.0,
        "axial_long_mm": 6.0,
        "axial_short_mm": 2.0,
        "side": "midline",
        "centroid_lps_mm": [2.0, 0.0, 0.0],
    }


def test_whole_numbered_floats_and_booleans_are_labels():
    array = box((3, 3, 3), (0, 0, 0), (1, 1, 3)).astype(np.float32)
    assert measure_labels(volume(array)) == measure_labels(volume(array.astype(bool)))


@pytest.mark.parametrize("bad", [0.5, -1.0, np.nan])
def test_probabilities_are_refused(bad):
    array = np.zeros((2, 2, 2), np.float32)
    array[0, 0, 0] = bad
    with pytest.raises(WrongQuantityError, match=r"whole, non-negative numbers.*masks, not probabilities"):
        measure_labels(volume(array))


def test_images_are_refused():
    image = Volume(np.zeros((2, 2, 2), np.float32), Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.HU)
    with pytest.raises(WrongQuantityError, match="LABEL"):
        measure_labels(image)


@pytest.mark.shared
def test_real_masks_agree_with_brute_force(shared_data):
    files = sorted((shared_data / "hntsmrg_pairs" / "reference").glob("*.nii.gz"))
    assert files
    checked = 0
    for file in files:
        labels = from_sitk(sitk.ReadImage(str(file)), Quantity.LABEL)
        rows = measure_labels(labels)
        assert [r.voxels for r in rows] == sorted((r.voxels for r in rows), reverse=True)
        for value in (1, 2):
            where = np.argwhere(labels.array == value)
            lo, hi = (where.min(axis=0), where.max(axis=0) + 1) if len(where) else ([0] * 3, [1] * 3)
            tight = labels.array[tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))]
            numbered, count = label(tight == value, structure=np.ones((3, 3, 3)))
            mine = [r for r in rows if r.label == value]
            assert len(mine) == count
            sizes = np.bincount(numbered.ravel())[1:]
            assert [r.voxels for r in mine] == sorted(sizes.tolist(), reverse=True)
            assert [r.lesion for r in mine] == list(range(1, count + 1))
            if not count or sizes.max() > 6000:  # the slow way needs all pairs in memory
                continue
            row, mask = mine[0], np.pad(numbered == 1 + sizes.argmax(), 1)
            voxels = np.argwhere(mask) - 1 + lo
            expected = brute_force(mask, Geometry(mask.shape, labels.geometry.ijk_to_lps))
            assert (row.longest_diameter_mm, row.axial_long_mm, row.axial_short_mm) == pytest.approx(expected, rel=1e-6)
            assert row.centroid_lps_mm == pytest.approx(labels.geometry.to_lps(voxels.mean(axis=0)))
            checked += 1
    assert checked >= 10


def test_slices_that_cannot_be_the_widest_are_left_out_and_the_widest_never():
    rng = np.random.default_rng(0)
    for trial in range(8):
        mask = rng.random((5, 7, 6)) > 0.7
        mask[trial % 5] = False
        steps = np.array([[0.0, 1.0], [2.0, 0.5], [0.0, 0.0]])  # rows and columns need not be at right angles
        widest = _widest_slices(mask, steps)
        diameters = {k: pdist(np.argwhere(plane) @ steps.T).max() for k, plane in enumerate(mask) if plane.sum() > 1}
        best = max(diameters.values())
        assert {k for k, d in diameters.items() if d >= best * (1 - 1e-9)} <= set(widest.tolist())
        assert all(diameters[k] > 0.99 * best for k in widest.tolist())
