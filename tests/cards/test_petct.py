from hyoid.cards.petct import KEYS, WHOLE, WITHOUT_PET, petct_limits, petct_measured, stages_in_words, system_rows

NUMBERS = {key: [0.5, 0.25, 0.75] for key in KEYS}
METRICS = {
    "patients": 10, "data": "virtual ones", "head_dice": 0.9, "head_dice_lowest": 0.8, "centres_found": 9,
    "centre_mm_median": 3.0, "centre_mm_most": 20.0, "primaries_untouched": 2,
    "systems": {WHOLE: NUMBERS, WITHOUT_PET: {key: [None, None, None] for key in KEYS}},
}  # fmt: skip


def test_rows_by_hand():
    rows = system_rows(METRICS["systems"]).splitlines()
    cell = "0.500 (0.25 to 0.75)"
    assert rows[2] == f"| {WHOLE} | {cell} | {cell} | {cell} |"
    assert rows[3] == f"| {WITHOUT_PET} | undefined | undefined | undefined |"


def test_stages_by_hand():
    words = stages_in_words(METRICS, 72.0)
    assert "mean Dice 0.900, lowest 0.800" in words
    assert "3.0 mm (median)" in words and "9 of 10" in words and "reaches 72 mm" in words
    assert stages_in_words(METRICS | {"centres_found": 0}, 72.0).endswith("found no target in any patient.")


def test_counts_stand_in_the_limits(manifest):
    measured = manifest(metrics=METRICS, preprocessing={"stage": "head", "region": {"box_mm": 144.0}})
    assert "on 10 patients (virtual ones)" in petct_measured(measured)[0]
    limits = petct_limits(measured)
    assert limits[0].startswith("In 2 of the 10 patients")
    assert "undefined, undefined, undefined" in limits[1]
    taught = measured.model_copy(
        update={"learned_from": measured.learned_from.model_copy(update={"real": (), "virtual": ("tongue",)})}
    )
    assert petct_limits(taught)[0] == "Virtual patients only taught it: nothing is known of real PET/CT."
