from hyoid.report.content.change import CHANGE_DEFINITION, changes_between
from hyoid.report.content.schema import Lesion, Uptake


def lesion(name, role, ml, side="left", level="", long_mm=20.0, short_mm=10.0):
    return Lesion(
        name=name, kind="GTVn" if role == "node" else "GTVp", role=role, lesion=1, status="reader", volume_ml=ml,
        longest_diameter_mm=long_mm, axial_long_mm=long_mm, axial_short_mm=short_mm, side=side, level=level, voxels=9,
        slice_index=1, point_lps_mm=(0, 0, 0), centroid_lps_mm=(0, 0, 0),
    )  # fmt: skip


def test_lesions_are_paired_by_role_side_and_level_and_told_in_numbers():
    before = [
        lesion("Primary tumour", "index lesion", 10.0, long_mm=30.0),
        lesion("Node 1", "node", 4.0, "left", "level IIa"),
        lesion("Node 2", "node", 2.0, "right", "level III"),
    ]
    now = [
        lesion("Primary tumour", "index lesion", 5.3, long_mm=24.0),
        lesion("Node 1", "node", 3.9, "left", "level IIb"),
        lesion("Node 2", "node", 1.0, "left", "level IV"),
    ]
    primary, same, new, gone = changes_between(now, before)
    # A fall by 47 % is never "similar".
    assert primary.words == (
        "Primary tumour smaller: 10.0 to 5.3 ml (-47 %), axial 3.0 x 1.0 to 2.4 x 1.0 cm (long axis -20 %)"
    )
    assert (same.lesion, same.prior) == ("Node 1", "Node 1")
    assert " similar: " in same.words
    assert new.words == "Node 2 (left, level IV, 1.0 ml): no counterpart outlined before"
    assert (gone.lesion, gone.prior, gone.after_ml) == ("", "Node 2", None)
    assert "may have vanished" in gone.words


def test_foci_outside_the_neck_are_not_compared_and_nothing_gives_nothing():
    stray = lesion("Focus outside the neck 1", "focus outside the neck", 1.0)
    assert changes_between([stray], [stray]) == ()
    assert changes_between([], []) == ()
    [grown] = changes_between(
        [lesion("Primary tumour", "index lesion", 12.0)], [lesion("Primary tumour", "index lesion", 10.0, "right")]
    )
    assert " larger: " in grown.words
    assert grown.words.endswith("before on another side (right), may be another lesion")


def test_a_node_of_unknown_level_is_compared_by_its_side_and_takes_no_other_nodes_counterpart():
    before = [lesion("Node 1", "node", 4.0), lesion("Node 2", "node", 2.0, level="level III")]
    now = [lesion("Node 1", "node", 3.0, level="level IIa"), lesion("Node 2", "node", 2.0, level="level III")]
    assert [(change.lesion, change.prior) for change in changes_between(now, before)] == [
        ("Node 1", "Node 1"),
        ("Node 2", "Node 2"),
    ]


def test_two_nodes_of_one_side_without_counterparts_are_told_as_perhaps_the_same():
    new, gone = changes_between(
        [lesion("Node 1", "node", 4.0, level="level III")], [lesion("Node 3", "node", 4.0, level="level IIa")]
    )
    assert new.words.endswith("no counterpart outlined before, unless earlier node 3 is the same")
    assert gone.words.endswith("may have vanished, unless node 1 now is the same")


def test_the_words_of_a_change_are_those_of_the_printed_definition():
    before = [lesion("Primary tumour", "index lesion", 21.3)]
    for now_ml, word in ((17.1, "similar"), (17.0, "smaller"), (4.9, "much smaller"), (37.0, "much larger")):
        [change] = changes_between([lesion("Primary tumour", "index lesion", now_ml)], before)
        assert change.words.startswith(f"Primary tumour {word}: 21.3 to {now_ml:.1f} ml")
        assert word in CHANGE_DEFINITION
    assert "20%" in CHANGE_DEFINITION and "-65.7%" in CHANGE_DEFINITION and "+72.8%" in CHANGE_DEFINITION


def test_a_networks_outline_without_raised_uptake_may_be_of_a_primary_that_has_vanished():
    before = [lesion("Primary tumour", "index lesion", 21.3)]
    cold = lesion("Primary tumour", "index lesion", 11.2).model_copy(
        update={"status": "model", "uptake": Uptake(suv_max=1.9, suv_mean=1.2, mtv_ml=4.0, tlg_g=5.0)}
    )
    [change] = changes_between([cold], before)
    assert change.words.startswith("Primary tumour smaller, may have vanished (uptake not raised now): 21.3 to 11.2 ml")
    [drawn] = changes_between([cold.model_copy(update={"status": "reader"})], before)
    assert "vanished" not in drawn.words
    [gone] = changes_between([], before)
    assert gone.words == "Earlier primary tumour (left, 21.3 ml): not outlined now, may have vanished"
