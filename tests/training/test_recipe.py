from typing import get_args

import pytest

from hyoid.errors import UsageError
from hyoid.training.recipe import Recipe, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_with_every_preset(name):
    for preset in ("small", "smoke"):
        assert isinstance(load_recipe(name, preset), get_args(Recipe))


def test_the_paper_preset_of_sgrnet_has_the_printed_numbers():
    paper = load_recipe("ct_report", "paper")
    assert (paper.embedding, paper.channels, paper.optimiser.learning_rate, paper.optimiser.batch) == (8, 64, 1e-5, 2)
    assert (paper.gamma_positive, paper.gamma_negative, paper.window_hu) == (1, 2, (-250, 150))
    assert (paper.spacing_mm, paper.grid, paper.optimiser.name) == ((4, 4, 4), (171, 128, 128), "adam")
    assert paper.fields == (
        "tongue", "hypopharynx", "larynx", "strap_muscles_thyroid_gland", "carotid_arteries_ijv"
    )  # fmt: skip
    # Nothing of ours: no warm-up, no decay, no average, no first weights.
    o = paper.optimiser
    assert (o.warmup_steps, o.schedule, o.ema_decay, o.gradient_clip, paper.prepared_start) == (
        0,
        "constant",
        0,
        0,
        False,
    )
    assert load_recipe("ct_report", "small").prepared_start


@pytest.mark.parametrize(
    ("name", "preset", "words"),
    [("liver", "small", "no recipe 'liver'"), ("organs", "huge", "no preset 'huge'")],
)
def test_what_does_not_exist_is_named(name, preset, words):
    with pytest.raises(UsageError, match=words) as caught:
        load_recipe(name, preset)
    assert "Choose one of" in caught.value.cure


def test_an_unknown_key_is_an_error(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("task: segmentation\nlearning_rat: 3\npresets: {small: {}}\n")
    with pytest.raises(UsageError, match=r"learning_rat|Field required"):
        load_recipe(str(path))


def test_no_recipe_whose_labels_have_sides_mirrors():
    # GTVp and GTVn are the same on either side.
    for name in set(recipe_names()) - {"midrt"}:
        assert not {"mirror", "flip"} & set(type(load_recipe(name).augmentation).model_fields)
