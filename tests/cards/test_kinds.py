import pytest

from hyoid.cards.kinds import Kind, kind_of
from hyoid.errors import ModelUnusableError

KINDS = {
    "organs": Kind.OUTLINES, "neck": Kind.OUTLINES, "tumour": Kind.TARGET, "sgrnet": Kind.INVOLVEMENT,
    "sgrnet-template": Kind.SUB_SITES, "isrg": Kind.LESION, "midrt": Kind.MIDRT, "petct-head": Kind.PETCT,
    "petct-coarse": Kind.PETCT, "petct-resenc": Kind.PETCT, "petct-segresnet": Kind.PETCT,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_shipped_packages_are_told_apart(shipped, name):
    assert kind_of(shipped[name][1]) is KINDS[name]


def test_a_package_of_no_known_kind_is_refused(manifest):
    with pytest.raises(ModelUnusableError, match="'tiny' is measured is not known") as caught:
        kind_of(manifest(preprocessing={}))
    assert "hyoid train" in caught.value.cure
