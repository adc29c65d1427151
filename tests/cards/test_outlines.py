from hyoid.cards.outlines import dice_rows, outlines_limits, outlines_measured, speed_words, transfer_rows

ROW = {"dice": 0.5, "low": 0.25, "high": 0.75, "n": 4}
TRANSFER = ROW | {"real_n": 4, "real_found": 3, "real_median_ml": 2.25, "virtual_ml": [1.0, 4.0], "plausible": True}


def test_dice_by_hand():
    assert dice_rows({"tongue": ROW}).splitlines()[2] == "| Tongue | 0.500 | 0.250 to 0.750 | 4 |"


def test_what_transfers_is_delivered():
    metrics = {"virtual_n": 12, "transfer": {"tongue": TRANSFER, "larynx": TRANSFER | {"plausible": False}}}
    rows = transfer_rows(metrics).splitlines()
    assert "12 virtual patients" in rows[0]
    assert rows[-2] == "| Tongue | 0.500 (0.250 to 0.750) | 3 of 4 | 2.2 | 1.0-4.0 | yes |"
    assert rows[-1].endswith("| no |")


def test_what_was_not_learned_is_named(manifest):
    said = outlines_measured(manifest(metrics={"data": "Four patients", "dice": {"tongue": ROW}}))
    assert said[0].startswith("Four patients. 95 %")
    assert said[-1] == "Not learned well enough, so never outlined: Larynx."


def test_what_bfloat16_costs_is_told(manifest):
    assert speed_words(manifest()) == []
    told = speed_words(manifest(bf16_agreement={"tongue": 0.9995, "larynx": 0.9912}))
    assert "lowest Dice 0.9912 (larynx)" in told[0]
    lost = speed_words(manifest(bf16_agreement={"tongue": 0.9}, bf16_loss={"tongue": -0.0003, "larynx": 0.0011}))
    assert "falls most for Larynx (+0.0011)" in lost[0]


def test_what_fewer_tiles_cost_is_told(manifest):
    (told,) = speed_words(manifest(step_loss={"tongue": 0.0004, "larynx": -0.0011}))
    assert "Tiles 0.75 of their edge apart instead of 0.5" in told
    assert "falls most for Tongue (+0.0004)" in told


def test_virtual_teachers_are_a_limit(manifest):
    assert len(outlines_limits(manifest())) == 1
    assert "virtual patients alone" in outlines_limits(manifest(learned_from={"virtual": ("tongue",)}))[1]
