import pytest

from hyoid.anatomy.involvement import FIELDS_OF_NODES, labels_of_field, organs_of_field, words_of_field
from hyoid.anatomy.structures import BY_NAME, ORGANS
from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS, SUBSITES
from hyoid.interfaces.installed import OUTLINING, load_models
from hyoid.training.recipe import load_recipe

NO_ORGAN = {"skull_base", "orbit", "et_tube_in_situ", "cranial_nerves"}


@pytest.mark.parametrize("field", [f.key for f in FIELDS])
def test_every_field_of_the_template_has_organs_that_exist(field):
    organs = organs_of_field(field)
    assert set(organs) <= {organ.name for organ in ORGANS}
    assert bool(organs) == (field not in NO_ORGAN)
    assert labels_of_field(field) == tuple(dict.fromkeys(labels_of_field(field)))
    assert words_of_field(field) == FIELD_BY_KEY[field].words


def test_an_organ_is_its_own_field():
    assert organs_of_field("mandible") == ("mandible",)
    assert labels_of_field("larynx") == (BY_NAME["larynx"].label, BY_NAME["larynx_air"].label)
    with pytest.raises(KeyError):
        organs_of_field("nose")


def test_nodes_count_for_fields_of_the_template():
    assert set(FIELDS_OF_NODES) <= set(FIELD_BY_KEY)


def test_every_place_of_the_template_is_predicted_or_can_be_measured():
    """Airway compromise is a narrowing, not an overlap; of the cricoid cartilage no network draws an outline."""
    predicted = set(load_recipe("ct_report", "template").fields)
    assert {row.field for row in SUBSITES} <= predicted
    outlined = {name for package in load_models(OUTLINING) for name in package.manifest.supported}
    for field in FIELDS:
        if field.organs and field.key != "airway_compromise":
            assert (field.key in predicted) != bool(outlined & set(field.organs)), field.key
