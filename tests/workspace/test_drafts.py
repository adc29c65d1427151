from dataclasses import replace

import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME, GTVP
from hyoid.errors import InputRefusedError
from hyoid.provenance import network
from hyoid.report.content.scene import Involvement
from hyoid.report.content.schema import Fact, ModelUse
from hyoid.systems.lesion.report import scan_inputs
from hyoid.systems.lesion.response import EarlierLesion
from hyoid.systems.lesion.strokes import NOTHING, whole_of
from hyoid.systems.midrt.pipeline import Prior
from hyoid.volume import Geometry, Quantity, Volume
from hyoid.workspace.drafts import (
    Draft,
    Drafter,
    earlier_lesions,
    earlier_mask_of,
    lesions_in,
    mask_of,
    read_draft,
    write_draft,
)
from hyoid.workspace.scans import Scans

NAME = "a" * 64


@pytest.fixture
def draft(ball_study, ball_masks):
    inputs = scan_inputs(ball_study, "CT")
    organs = np.where(ball_masks[2], BY_NAME["mandible"].label, 0).astype(np.uint8)
    inputs = replace(
        inputs,
        organs=inputs.organs.with_array(organs),
        organ_sources=(ModelUse(name="organs", version="1"),),
        organs_expected=("mandible",),
        target_region=inputs.organs.with_array(ball_masks[1].astype(np.uint8)),
        target_source=ModelUse(name="tumour"),
        coverage={"tonsil": Involvement(0.3, 0.5, "coverage", (0.2, 0.4), "virtual patients only")},
        coverage_source=ModelUse(name="sgrnet"),
        technique=(Fact(words="Contrast", value="yes", source="header"),),
        warnings=("Look twice.",),
    )
    second = Volume(np.ones(inputs.organs.array.shape, np.float32), inputs.organs.geometry, Quantity.MR)
    lesions = (("GTVp", whole_of(ball_masks[1])), ("GTVn", whole_of(ball_masks[2])))
    earlier = (EarlierLesion("GTVp", lesions[0][1], 4.5, 22.0), EarlierLesion("GTVn", NOTHING, 0.5))
    return Draft(
        NAME, inputs, lesions, ModelUse(name="petct"), {GTVP: network("petct", "3")}, second, ("A note.",), earlier
    )


def test_a_draft_comes_back_from_disk_as_it_was(tmp_path, draft):
    write_draft(tmp_path, draft)
    found = read_draft(tmp_path, NAME, draft.inputs.organs.geometry)
    for name in ("study", "organ_sources", "coverage", "coverage_source", "technique", "warnings", "target_source"):
        assert getattr(found.inputs, name) == getattr(draft.inputs, name)
    assert np.array_equal(found.inputs.organs.array, draft.inputs.organs.array)
    assert np.array_equal(found.inputs.target_region.array, draft.inputs.target_region.array)
    assert [target for target, _ in found.lesions] == ["GTVp", "GTVn"]
    assert all(
        np.array_equal(a.mask, b.mask) and a.box == b.box
        for (_, a), (_, b) in zip(found.lesions, draft.lesions, strict=True)
    )
    assert (found.source, found.outlined_by, found.notes) == (draft.source, draft.outlined_by, draft.notes)
    assert np.array_equal(found.second.array, draft.second.array)
    for row, kept in zip(draft.earlier, found.earlier, strict=True):
        assert (row.target, row.volume_ml, row.long_mm) == (kept.target, kept.volume_ml, kept.long_mm)
        assert np.array_equal(row.drawn.mask, kept.drawn.mask) and row.drawn.box == kept.drawn.box
    assert found.action == draft.action
    assert [p.name for p in tmp_path.iterdir()] == [f"{NAME}.npz"]


def test_what_cannot_be_read_is_not_there(tmp_path, draft):
    geometry = draft.inputs.organs.geometry
    assert read_draft(tmp_path, NAME, geometry) is None
    (tmp_path / f"{NAME}.npz").write_bytes(b"damaged")
    assert read_draft(tmp_path, NAME, geometry) is None
    write_draft(tmp_path, draft)
    assert read_draft(tmp_path, NAME, Geometry.axial((2, 2, 2), (1, 1, 1))) is None


def test_a_draft_that_is_gone_is_refused_in_words(draft):
    assert mask_of(draft, 1) is draft.lesions[1][1]
    for gone, part in ((None, 0), (draft, 2)):
        with pytest.raises(InputRefusedError, match="not here any more"):
            mask_of(gone, part)
        with pytest.raises(InputRefusedError, match="no such lesion"):
            earlier_mask_of(gone, part)
    assert earlier_mask_of(draft, 0) is draft.lesions[0][1]
    with pytest.raises(InputRefusedError, match="does not show the place"):
        earlier_mask_of(draft, 1)


def test_targets_are_cut_into_lesions_primaries_first():
    labels = np.zeros((6, 12, 12), np.uint8)
    labels[1, 1:3, 1:3] = 2
    labels[4, 5:9, 5:9] = 2
    labels[2, 10, 10] = 1
    found = lesions_in(Volume(labels, Geometry.axial(labels.shape, (3, 1, 1)), Quantity.LABEL))
    assert [(target, int(drawn.mask.sum())) for target, drawn in found] == [("GTVp", 1), ("GTVn", 16), ("GTVn", 4)]


def test_earlier_lesions_keep_number_place_and_size_of_their_own_scan():
    grid = Geometry.axial((4, 8, 8), (3, 1, 1))
    numbers = np.zeros(grid.shape, np.uint16)
    numbers[1, 2:4, 2:6] = 1
    labels = Volume((numbers > 0).astype(np.uint8), grid, Quantity.LABEL)
    pre = Volume(np.zeros(grid.shape, np.float32), grid, Quantity.MR)
    first, second = earlier_lesions(Prior(pre, labels, numbers, (1, 2), (9.5, 0.5), None, None, (), (21.0,)))
    assert (first.target, first.volume_ml, first.long_mm, first.drawn.box.start) == ("GTVp", 9.5, 21.0, (1, 2, 2))
    assert (second.target, second.drawn.box, second.long_mm) == ("GTVn", None, None)


def test_a_name_follows_scan_and_networks(ball_study):
    drafter = Drafter((), lambda *arguments: None)
    one, other = (drafter.name(Scans(study, "CT")) for study in (ball_study, replace(ball_study, fingerprint="other")))
    assert one != other
    assert one == drafter.name(Scans(ball_study, "CT"))
    assert one != drafter.name(Scans(ball_study, "PT/CT"))
