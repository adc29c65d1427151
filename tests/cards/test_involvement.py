from hyoid.cards.involvement import (
    EVERY_FIELD,
    ball_rows,
    calibration_parts,
    calibration_rows,
    involvement_measured,
    ranking_rows,
)

ROW = {"n": 9, "prevalence": 0.4, "sgrnet": 0.75, "ct_only": None, "overlap": 0.5}
TABLE = {"larynx": ROW, "mean": ROW | {"sgrnet_interval": [0.5, 0.875]}}
CALIBRATED = {"n": 9, "brier_of_prevalence": 0.25} | {
    f"{key}_{when}{tail}": [0.125, 0.375] if tail else 0.25
    for key in ("ece", "brier")
    for when in ("before", "after")
    for tail in ("", "_interval")
}


def test_average_precision_by_hand():
    rows = ranking_rows(TABLE, {"overlap": {"difference": 0.25, "low": -0.1, "high": 0.6}, "ct_only": None})
    lines = rows.splitlines()
    assert lines[0] == "| label | n | prevalence | this network | CT only | plain overlap |"
    assert lines[2] == "| Larynx | 9 | 0.40 | 0.750 | - | 0.500 |"
    assert lines[3] == "| **mean** | 9 | 0.40 | 0.750 (0.500 to 0.875) | - | 0.500 |"
    assert "against plain overlap +0.250 (-0.100 to +0.600)." in rows
    assert "predicted target covers" in rows


def test_without_a_gain_nothing_is_compared():
    assert "paired by patient" not in ranking_rows(TABLE, {"overlap": None})


def test_an_earlier_default_is_named_in_words():
    gain = {"before": {"difference": 0.0, "low": -0.1, "high": 0.1}}
    assert "against the default network before this one +0.000" in ranking_rows(TABLE, gain)


def test_balls_by_hand():
    rows = ball_rows({"larynx": {"n": 3, "yes": {"Larynx": 1.0, "Oral cavity": 0.0}}}).splitlines()
    assert rows[-1] == "| Larynx | 3 | 1.00 | 0.00 |"


def test_probabilities_without_temperatures_are_said_to_be_uncalibrated(manifest):
    plain = manifest(task="ct_report", metrics={"calibration": {EVERY_FIELD: CALIBRATED}})
    (said,) = calibration_parts(plain)
    assert "not calibrated" in said
    assert "(ECE) 0.250 (0.125 to 0.375)" in said
    assert said.endswith("has a Brier score of 0.250.")


def test_calibration_by_hand(manifest):
    constants = {"temperatures": {"tongue": 1.5}, "thresholds": {"tongue": 0.4}, "equivocal": {"tongue": (0.3, 0.5)}}
    rows = calibration_rows(
        manifest(**constants), {"tongue": CALIBRATED, EVERY_FIELD: CALIBRATED}, "Nine."
    ).splitlines()
    assert rows[0] == "Nine."
    cell = "0.250 (0.125 to 0.375)"
    assert rows[-2] == f"| Tongue | 9 | 1.50 | 0.40 | 0.30-0.50 | {cell} | {cell} | {cell} | {cell} | 0.250 |"
    assert rows[-1].startswith("| **all** | 9 |  |  |  |")


def test_why_a_field_is_never_answered(manifest):
    metrics = {"data": "Nine", "average_precision": TABLE, "calibration": {EVERY_FIELD: CALIBRATED}}
    assert involvement_measured(manifest(metrics=metrics))[-1] == "Too few examples, so never answered: Larynx."
    held_out = metrics | {"average_precision_held_out": {"larynx": 0.1}}
    assert "average precision below 0.5 out of fold" in involvement_measured(manifest(metrics=held_out))[-1]
