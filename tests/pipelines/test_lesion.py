import numpy as np
import pytest

from hyoid.errors import InputRefusedError, UsageError
from hyoid.metrics.simulated_clicks import deterministic_click
from hyoid.pipelines.lesion import Prompt, Scan, check_prompt, next_outline, outlined


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
    assert np.array_equal(again.answer.logits, step.answer.logits)


def fresh_copy(network, cache):
    """The same network without anything in memory."""
    from hyoid.inference.click_network import ClickNetwork

    copy = object.__new__(ClickNetwork)
    copy.__dict__ |= {**network.__dict__, "_kept": type(network._kept)(), "_cache": cache}
    return copy


def test_encoding_from_disk_answers_alike_and_a_damaged_entry_is_made_again(scan, click_network, tmp_path):
    prompts = [Prompt("add", (14, 30, 24))]
    first = outlined(scan, prompts, fresh_copy(click_network, tmp_path))
    entries = list(tmp_path.glob("*.safetensors"))
    assert entries
    assert np.array_equal(
        outlined(scan, prompts, fresh_copy(click_network, tmp_path)).answer.logits, first.answer.logits
    )
    for entry in entries:
        entry.write_bytes(b"nothing")
    assert np.array_equal(outlined(scan, prompts, fresh_copy(click_network, tmp_path)).mask, first.mask)
    assert all(entry.stat().st_size > 1000 for entry in entries)


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


def test_a_box_alone_outlines(scan, click_network, ball_masks):
    outline = outlined(scan, [Prompt("box", (10, 23, 17), (18, 37, 31))], click_network)
    assert dice(outline.painted(scan.volume.geometry.shape), ball_masks[1]) > 0.3


def test_clicks_too_far_apart_are_refused(click_network):
    from hyoid.volume import Geometry, Quantity, Volume

    long = Volume(np.full((200, 8, 8), 40, np.float32), Geometry.axial((200, 8, 8), (5, 5, 5)), Quantity.HU)
    with pytest.raises(InputRefusedError, match="cm apart"):
        outlined(Scan(long, "long"), [Prompt("add", (10, 4, 4)), Prompt("add", (190, 4, 4))], click_network)
