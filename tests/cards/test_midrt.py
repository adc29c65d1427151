from hyoid.cards.midrt import PACKAGE, REGISTERED, VANISHED, midrt_limits, midrt_measured, system_rows, vanished_rows

COUNTS = {"vanished": 4, "vanished_called_empty": 1, "left": 6, "left_called_empty": 0}
VOLUMES = {
    "lesions": 10, "median_error": 0.125, "category_right": 7, "shrunk_to_a_quarter": 3,
    "found_over_true_of_these": 2.5,
}  # fmt: skip
SUMMARY = {"GTVp.dsc_mean": 0.5, "GTVp.dsc_mean.n_missed": 1, "GTVp.dsc_mean.n_false_positive": 2, "GTVn.dsc_agg": 0.25}
METRICS = {
    "data": "14 patients", "systems": {REGISTERED: SUMMARY, PACKAGE: SUMMARY, VANISHED: SUMMARY, "plain": SUMMARY},
    "vanished": {VANISHED: COUNTS}, "volumes": {REGISTERED: VOLUMES, VANISHED: VOLUMES},
    "outside_boxes": {"voxels": 40, "found": 0.25},
}  # fmt: skip


def test_rows_by_hand():
    rows = system_rows(METRICS["systems"]).splitlines()
    assert rows[2] == "| registered outlines, no network | 0.500 | - | - | 0.250 | - | - | 1, 2 |"
    assert rows[-1].startswith("| plain |")
    assert vanished_rows({"plain": COUNTS}) == "- plain: 1 of 4 vanished; 0 of 6 others."


def test_numbers_stand_in_words(manifest):
    recipe = {"optimiser": {"steps": 100, "batch": 2}}
    measured = manifest(metrics=METRICS, recipe=recipe, preprocessing={"gradient": "paper", "channels": ["t2"]})
    said = "\n".join(midrt_measured(measured))
    assert "100 steps of batch 2; channels t2." in said
    assert "off by 12% of the volume before" in said
    assert "7 of 10" in said
    assert "40 voxels, of which 25% were outlined." in said
    nothing = measured.model_copy(update={"metrics": METRICS | {"outside_boxes": {"voxels": 0, "found": None}}})
    assert midrt_measured(nothing)[-1].endswith("0 voxels.")
    limits = midrt_limits(measured)
    assert limits[0].startswith("Vanished tumours: 3 of 4 still have an outline.")
    assert "(3 lesions) is outlined 2.5 times" in limits[1]
    assert not any("Virtual" in limit for limit in limits)
