import pytest

from hyoid.errors import UsageError
from hyoid.evaluation.protocols import (
    HNTSMRG_2024,
    MASK_PROTOCOLS,
    PROTOCOL_NAMES,
    MaskClass,
    OtherGrid,
    Protocol,
    protocol_from_fields,
)
from hyoid.metrics.detection import Matcher
from hyoid.metrics.overlap import EmptyRule


def test_every_protocol_of_the_command_line_exists():
    assert set(PROTOCOL_NAMES) == {
        "hecktor2022",
        "hntsmrg2024",
        "hecktor2025-style",
        "hecktor2026-style",
        "aarhus2024",
        "observer",
        "sgrnet",
        "isrg",
        "custom",
    }


def test_what_challenges_do_with_other_grids():
    grids = {name: protocol.other_grid for name, protocol in MASK_PROTOCOLS.items()}
    assert grids["hecktor2022"] is grids["hntsmrg2024"] is OtherGrid.RESAMPLE
    assert grids["hecktor2025-style"] is OtherGrid.REFUSE


def test_unpublished_rules_are_said_to_be_ours():
    for name in ("hecktor2025-style", "hecktor2026-style"):
        assert any("Not official" in caveat for caveat in MASK_PROTOCOLS[name].caveats)


def test_a_protocol_of_ones_own():
    own = protocol_from_fields(
        {
            "name": "mine",
            "classes": [{"name": "tumour", "labels": [1, 3], "aliases": ["GTV"]}],
            "dice_empty": "any_empty_excluded",
            "connectivity": 6,
            "matcher": "grouped",
            "measures": ["detection"],
        }
    )
    assert own.classes == (MaskClass("tumour", (1, 3), ("GTV",)),)
    assert own.dice_empty is EmptyRule.ANY_EMPTY_EXCLUDED
    assert own.matcher is Matcher.GROUPED
    assert own.known_labels == {0, 1, 3}


def test_base_keeps_what_is_not_given():
    own = protocol_from_fields({"base": "hntsmrg2024", "ignored_labels": [5]})
    assert own.name == "custom"
    assert own.classes == HNTSMRG_2024.classes
    assert own.known_labels == {0, 1, 2, 5}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base": "hntsmrg2024", "conectivity": 6}, "conectivity"),
        ({"base": "nothing"}, "'nothing' is no protocol"),
        ({"base": "hntsmrg2024", "connectivity": 8}, "Choose 6, 18 or 26"),
        ({"base": "hntsmrg2024", "dice_empty": "two"}, "dice_empty"),
        ({"base": "hntsmrg2024", "classes": [{"name": "x", "labels": [0]}]}, "background"),
        ({"base": "hntsmrg2024", "classes": [{"name": "x", "labels": [1], "colour": 3}]}, "classes.0.colour"),
        ({"base": "hntsmrg2024", "iou_above": 1.0}, "out of range"),
        ({"name": "empty"}, "classes"),
    ],
)
def test_a_wrong_key_or_value_is_named(fields, words):
    with pytest.raises(UsageError, match=words):
        protocol_from_fields(fields)


def test_classes_need_different_names():
    with pytest.raises(UsageError, match="different names"):
        Protocol("p", (MaskClass("a", (1,)), MaskClass("a", (2,))), EmptyRule.EMPTY_IS_ZERO)
