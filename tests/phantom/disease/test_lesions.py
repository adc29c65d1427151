"""Lesions of chosen types and attributes."""

import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import UsageError
from hyoid.phantom.disease.attributes import Attributes
from hyoid.phantom.disease.growth import NODE_SITES
from hyoid.phantom.disease.lesion_types import LESION_TYPES, draw_attributes
from hyoid.phantom.patient import PhantomOptions, virtual_patient

SPACING_MM = (2.5, 2.0, 2.0)


def test_fifteen_types_two_of_them_reserved():
    assert len(LESION_TYPES) == 15
    assert sum(kind.zero_shot for kind in LESION_TYPES.values()) == 2
    for kind in LESION_TYPES.values():
        for name, words in ATTRIBUTES.items():
            assert len(kind.shares[name]) == len(words)
            assert sum(kind.shares[name]) == pytest.approx(1)
        for place in kind.places:
            where, name = place.split(":")
            known = {"subsite": SUBSITE_BY_NAME, "organ": BY_NAME, "node": NODE_SITES}.get(where)
            assert known is None or name in known


def test_every_attribute_varies():
    rng = np.random.default_rng(0)
    drawn = [draw_attributes(kind, rng) for kind in LESION_TYPES.values() for _ in range(40)]
    for name, words in ATTRIBUTES.items():
        assert {getattr(a, name) for a in drawn} == set(words)


def test_lesions_have_the_attributes_that_were_chosen():
    wanted = Attributes("round_like", "no_close_relationship", "hypodense", "homogeneous", "well_defined")
    options = PhantomOptions(lesion_kinds=("solid_node", "cystic_node"), attributes=wanted)
    patient = virtual_patient(np.random.default_rng(2), spacing_mm=SPACING_MM, options=options)
    assert patient.truth.primary == ""
    assert set(np.unique(patient.lesion_ids.array)) == {0, *(lesion.id for lesion in patient.truth.lesions)}
    for lesion in patient.truth.lesions:
        assert lesion.attributes == wanted
        assert lesion.target == "gtvn"
        assert (lesion.measured.shape, lesion.measured.density) == ("round_like", "hypodense")
        inside = patient.ct.array[patient.lesion_ids.array == lesion.id]
        assert len(inside) * patient.ct.geometry.voxel_ml == pytest.approx(lesion.volume_ml, abs=1e-3)


def test_any_is_never_a_reserved_type():
    options = PhantomOptions(lesion_kinds=("any", "any", "zero_shot"))
    patient = virtual_patient(np.random.default_rng(3), spacing_mm=(4.0, 4.0, 4.0), options=options)
    assert [lesion.zero_shot for lesion in patient.truth.lesions].count(True) <= 1


def test_what_cannot_be_drawn_is_refused():
    wanted = Attributes("wall_thickening", "no_close_relationship", "hypodense", "homogeneous", "well_defined")
    options = PhantomOptions(lesion_kinds=("lipoma",), attributes=wanted)
    with pytest.raises(UsageError, match="No lesion of the kinds lipoma with the wanted attributes fits"):
        virtual_patient(np.random.default_rng(1), spacing_mm=(5.0, 5.0, 5.0), options=options)
