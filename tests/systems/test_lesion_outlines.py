import numpy as np

from hyoid.anatomy.structures import GTVN, TARGET_REGION
from hyoid.systems.lesion_outlines import lesion_outlines
from hyoid.systems.outlines import Outlines
from hyoid.volume import Quantity, Volume


def test_every_lesion_is_an_outline_of_its_own(measured_case):
    cut = lesion_outlines(measured_case.report.lesions, measured_case.outlines)
    assert [(o.structure.label, o.structure.name, str(o.provenance)) for o in cut] == [
        (1, "GTVp 1", "reader"),
        (2, "GTVn 1", "network petct-resenc 0.1"),
        (3, "GTVn 2", "network petct-resenc 0.1"),
    ]
    assert [int(o.mask.array.sum()) for o in cut] == [400, 100, 50]
    assert cut[2].structure.side.value == "right"
    x, y, z = cut[2].mask.geometry.to_lps((0, 0, 0)).tolist()
    assert (x, y, z) == measured_case.report.lesions[2].point_lps_mm


def test_a_lesion_that_is_not_there_as_measured_is_left_out(measured_case):
    primary, node, other = measured_case.report.lesions
    moved = primary.model_copy(update={"point_lps_mm": (500.0, 0.0, 0.0)})
    beside = node.model_copy(update={"point_lps_mm": (0.0, 0.0, 0.0)})
    merged = other.model_copy(update={"voxels": 51})
    assert lesion_outlines((moved, beside, merged), measured_case.outlines) == ()
    nothing = Outlines(measured_case.outlines.geometry)
    assert lesion_outlines(measured_case.report.lesions, nothing) == ()


def test_a_predicted_region_stays_whole(measured_case):
    nodes = measured_case.outlines.targets[GTVN]
    region = measured_case.report.lesions[0].model_copy(update={"kind": "target region", "role": "target region"})
    (cut,) = lesion_outlines((region,), Outlines(measured_case.outlines.geometry, None, {TARGET_REGION: nodes}))
    assert cut.structure.name == "target region"
    assert np.array_equal(cut.mask.array, nodes.array)
    assert isinstance(cut.mask, Volume)
    assert cut.mask.quantity is Quantity.LABEL
    assert cut.note == ""


def test_a_target_that_is_not_to_be_used_says_so(measured_case):
    region = measured_case.report.lesions[0].model_copy(update={"kind": "target region", "role": "target region"})
    targets = {TARGET_REGION: measured_case.outlines.targets[GTVN]}
    doubted = Outlines(
        measured_case.outlines.geometry, None, targets, target_doubts={TARGET_REGION: ("Not plausible", "No use")}
    )
    (cut,) = lesion_outlines((region,), doubted)
    assert cut.note == "Not plausible; No use"
