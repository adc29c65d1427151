import numpy as np
import pytest

from hyoid.systems.petct.stages import challenge_stages
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((40, 40, 60), (2.0, 2.0, 2.0), (-59.0, -40.0, 0.0))


def stages(primary=(), nodes=(), mirrored=False):
    """Balls of (x mm, diameter mm), all in one row of the neck; the patient may be mirrored."""
    targets = np.zeros(GRID.shape, np.uint8)
    points = GRID.to_lps(np.indices(GRID.shape).transpose(1, 2, 3, 0))
    for label, balls in ((1, primary), (2, nodes)):
        for at, (x, diameter) in enumerate(balls):
            centre = (-x if mirrored else x, 0.0, 10.0 if label == 1 else 40.0 + 25 * (at - 0.5 * (len(balls) - 1)))
            targets[np.linalg.norm(points - centre, axis=-1) <= diameter / 2 - 1] = label
    hu = np.full(GRID.shape, 40.0, np.float32)
    return challenge_stages(Volume(hu, GRID, Quantity.HU), Volume(targets, GRID, Quantity.LABEL))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("primary", "nodes", "answer"),
    [
        ([(30, 16)], [], ("T1", "N0")),
        ([(30, 26)], [(30, 16)], ("T2", "N1")),
        ([(30, 26)], [(30, 16), (30, 14)], ("T2", "N2b")),
        ([(30, 26)], [(-30, 16)], ("T2", "N2c")),
        ([], [(30, 16)], ("T0", "N1")),
        ([(30, 26), (0, 6)], [], ("T2", "N0")),
    ],
)
def test_size_number_and_side_decide(primary, nodes, answer, mirrored):
    assert stages(primary, nodes, mirrored) == answer
