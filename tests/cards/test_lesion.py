import pytest

from hyoid.cards.lesion import attribute_rows, click_rows, last_click_rows, lesion_limits, lesion_measured

MEAN = {"mean": 0.5, "low": 0.25, "high": 0.75}
SCORE = {"accuracy": 0.75, "low": 0.5, "high": 1.0, "majority": 0.5, "balanced": 0.625, "n": 4}


def result(clicks=3, **attributes):
    user = {
        "dice": [MEAN] * clicks, "noc": {"mean": 2.5, "failures": 1}, "hd95_mm": {"mean": None, "missed": 2},
        "attributes": attributes,
    }  # fmt: skip
    return {"n": 4, "patients": 2, "ball": MEAN, "users": {"deterministic": user}}


def test_clicks_by_hand_and_only_those_that_were_made():
    rows = click_rows({"virtual": result()}).splitlines()
    assert rows[0].count("click") == 3  # 1, 3, and clicks to Dice 0.8
    cell = "0.500 (0.250 to 0.750)"
    assert rows[2] == f"| virtual | 4 (2) | deterministic | {cell} | {cell} | {cell} | 2.5 (1) | - (2) |"


def test_attributes_by_hand():
    (row,) = last_click_rows({"virtual": {"density": SCORE}, "real": {}}).splitlines()[2:]
    assert row.count("0.75 / 0.50 / 0.62 (n 4)") == 1
    assert row.count("-") == 4
    rows = attribute_rows({"test": {"n": 4, "patients": 2, "scores": {"true mask": {"density": SCORE}}}}).splitlines()
    assert "| always the most frequent |" in rows[2] and "| 0.50 |" in rows[2]
    assert "0.75 (0.50 to 1.00)" in rows[3]


@pytest.mark.parametrize("described", [False, True])
def test_attributes_stand_in_one_table(manifest, described):
    metrics = {"virtual": result(density=SCORE)}
    if described:
        metrics["attributes"] = {"test": {"n": 4, "patients": 2, "scores": {"true mask": {"density": SCORE}}}}
    said = "\n".join(lesion_measured(manifest(metrics=metrics)))
    assert ("after the last click" in said) is not described
    assert ("true mask" in said) is described


def test_limits_follow_from_the_manifest(manifest):
    real = lesion_limits(manifest(supported=("lesion", "shape", "invasion", "density", "heterogeneity", "surface")))
    assert not any("virtual" in limit or "Missing" in limit for limit in real)
    taught = lesion_limits(manifest(supported=("lesion", "density"), learned_from={"virtual": ("lesion", "density")}))
    assert "virtual patients only" in taught[0]
    assert taught[-1] == "It does not tell shape, invasion, heterogeneity, surface: reports say `Missing`."
