import numpy as np
import pytest

from hyoid.errors import InputRefusedError, UsageError
from hyoid.inference.click_network import ClickNetwork
from hyoid.interfaces.installed import load_model
from hyoid.metrics.simulated_clicks import deterministic_click
from hyoid.systems.lesion.pipeline import Prompt, Scan, attributes_of, check_prompt, next_outline, outlined
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture(scope="module")
def scan(ball_study):
    return Scan(ball_study.volume, ball_study.fingerprint)


def dice(mask, reference):
    return 2 * (mask & reference).sum() / (mask.sum() + reference.sum())


def test_clicks_outline_a_ball(scan, click_network, ball_masks):
    shape, spacing = scan.volume.geometry.shape, scan.volume.geometry.spacing_mm
    reference = ball_masks[1]
    outline, prompts = None, []
    painted = np.zeros(shape, bool)
    for _ in range(5):
        click = deterministic_click(reference, painted, spacing)
        prompts.append(Prompt("add" if click.adds else "remove", click.point_ijk))
        outline = next_outline(scan, prompts, click_network, outline)
        painted = outline.painted(shape)
    assert dice(painted, reference) > 0.6
    assert not painted[ball_masks[2]].any()


def test_replaying_the_clicks_gives_the_same_outline(scan, click_network):
    prompts = [Prompt("add", (14, 30, 24)), Prompt("remove", (14, 44, 24))]
    step = next_outline(scan, prompts[:1], click_network, None)
    step = next_outline(scan, prompts, click_network, step)
    again = outlined(scan, prompts, click_network)
    assert again.box == step.box
    assert np.array_equal(again.mask, step.mask)
    assert np.array_equal(again.seen.answer.logits, step.seen.answer.logits)


@pytest.mark.parametrize(
    ("prompts", "new", "error", "words"),
    [
        ([], Prompt("add", (28, 0, 0)), UsageError, "outside the scan"),
        ([], Prompt("add", (-1, 0, 0)), UsageError, "outside the scan"),
        ([], Prompt("add", (14, 1, 1)), InputRefusedError, "on air"),
        ([], Prompt("remove", (14, 30, 24)), UsageError, "nothing to remove"),
        ([], Prompt("box", (1, 1, 1), (1, 5, 5)), UsageError, "empty"),
        ([Prompt("add", (14, 30, 24))], Prompt("box", (1, 1, 1), (5, 5, 5)), UsageError, "begin a lesion"),
        ([Prompt("add", (14, 30, 24))], Prompt("remove", (14, 30, 24)), InputRefusedError, "clicked before to add"),
    ],
)
def test_refusals(scan, prompts, new, error, words):
    with pytest.raises(error, match=words):
        check_prompt(scan.volume, prompts, new)


def test_a_large_lesion_gets_a_coarser_region_and_a_small_one_a_finer(scan, click_network):
    click_network.radius_mm = 70.0
    assert outlined(scan, [Prompt("add", (14, 30, 24))], click_network).seen.region.spacing_mm == 5.0
    click_network.radius_mm = 6.0
    assert outlined(scan, [Prompt("add", (14, 30, 24))], click_network).seen.region.spacing_mm == 1.25


def test_a_click_outside_the_region_moves_it_and_keeps_what_was_outlined(scan, click_network):
    click_network.radius_mm = 14.0
    far = [Prompt("add", (14, 30, 10)), Prompt("add", (14, 30, 60))]
    first = next_outline(scan, far[:1], click_network, None)
    both = next_outline(scan, far, click_network, first)
    assert both.seen.region != first.seen.region
    painted = both.painted(scan.volume.geometry.shape)
    assert painted[14, 30, 10]
    assert painted[14, 30, 60]
    assert not painted[14, 30, 35]


def test_a_later_click_in_the_region_encodes_nothing_new(scan, click_network):
    first = next_outline(scan, [Prompt("add", (14, 30, 24))], click_network, None)
    click_network.encoded.clear()
    next_outline(scan, [Prompt("add", (14, 30, 24)), Prompt("add", (14, 31, 25))], click_network, first)
    assert {region for _, region in click_network.encoded} == {first.seen.region}


def test_a_box_gives_the_finest_region_that_holds_it(scan, click_network):
    outline = outlined(scan, [Prompt("box", (10, 23, 17), (18, 37, 31))], click_network)
    assert outline.seen.region.spacing_mm == 1.25
    assert outline.painted(scan.volume.geometry.shape)[10, 23, 17]


def test_clicks_too_far_apart_are_refused(click_network):
    from hyoid.volume import Geometry, Quantity, Volume

    long = Volume(np.full((200, 8, 8), 40, np.float32), Geometry.axial((200, 8, 8), (5, 5, 5)), Quantity.HU)
    with pytest.raises(InputRefusedError, match="cm apart"):
        outlined(Scan(long, "long"), [Prompt("add", (10, 4, 4)), Prompt("add", (190, 4, 4))], click_network)


@pytest.mark.parametrize(("step_hu", "word"), [(-45, "hypodense"), (45, "hyperdense")])
def test_the_shipped_network_tells_a_bright_ball_from_a_dark_one(step_hu, word):
    shape, spacing = (30, 60, 60), (3.0, 1.5, 1.5)
    index = np.indices(shape).transpose(1, 2, 3, 0)
    mask = np.linalg.norm((index - np.array((15, 30, 30))) * spacing, axis=-1) < 10
    hu = np.full(shape, 60.0) + np.random.default_rng(0).normal(0, 8, shape)
    hu[:, :, :12] = -90
    hu[mask] += step_hu
    scan = Scan(Volume(hu.astype(np.float32), Geometry.axial(shape, spacing), Quantity.HU), f"ball {step_hu}")
    network = ClickNetwork(load_model("isrg"))
    said = attributes_of(scan, mask, network)
    assert list(said) == ["density"]
    assert max(said["density"], key=said["density"].get) == word
    with pytest.raises(UsageError, match="mask is empty"):
        attributes_of(scan, np.zeros(shape, bool), network)
