import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import UnsuitableScanError
from hyoid.systems.lesion.report import scan_inputs
from hyoid.systems.lesion.strokes import NOTHING, whole_of
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace import earlier
from hyoid.workspace.earlier import carried_name, carry_lesions

GRID = Geometry.axial((16, 40, 40), (3.0, 2.0, 2.0))


class Moved:
    """A registration that has found a shift of two columns."""

    def transform(self):
        return sitk.TranslationTransform(3, (-4.0, 0.0, 0.0))


def ct(fill=40.0):
    return Volume(np.full(GRID.shape, fill, np.float32), GRID, Quantity.HU)


def test_lesions_and_scan_are_carried_over_by_the_registration(monkeypatch, ball_study):
    seen = []
    monkeypatch.setattr(
        earlier, "register", lambda pre, mid, on_progress: (seen.append((pre, mid)), (Moved(), None))[1]
    )
    mask = np.zeros(GRID.shape, bool)
    mask[5:8, 10:14, 10:16] = True
    small = np.zeros(GRID.shape, bool)
    small[5, 30, 30] = True
    rows = (("GTVn", whole_of(small)), ("GTVn", NOTHING), ("GTVp", whole_of(mask)))
    name = carried_name("a", 1, "b")
    draft = carry_lesions(name, ct(), rows, ct(), scan_inputs(ball_study, "CT"))
    assert [(row.target, row.volume_ml) for row in draft.earlier] == [("GTVp", 0.864), ("GTVn", 0.012)]
    assert draft.earlier[0].drawn.box.start == (5, 10, 12)  # to the left by two columns
    assert draft.earlier[0].drawn.box.stop == (8, 14, 18)
    assert draft.second.quantity is Quantity.HU
    assert draft.second.array[0, 0, 0] == -1024.0  # the earlier scan does not show that place
    assert draft.second.array[8, 20, 20] == 40.0
    for volume in seen[0]:  # as an MR: dark air, bright tissue
        assert volume.quantity is Quantity.MR
        assert volume.array.min() >= 0
    assert name != carried_name("a", 2, "b")


def test_scans_of_two_modalities_are_not_registered(ball_study):
    mr = Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.MR)
    with pytest.raises(UnsuitableScanError, match="another modality"):
        carry_lesions("a", mr, (), ct(), scan_inputs(ball_study, "CT"))
