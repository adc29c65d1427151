"""The card of a measured package, of whatever kind it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hyoid.cards.involvement import INVOLVEMENT_LIMITS, SUB_SITES_LIMITS, involvement_measured
from hyoid.cards.kinds import Kind, kind_of
from hyoid.cards.lesion import lesion_limits, lesion_measured
from hyoid.cards.midrt import midrt_limits, midrt_measured
from hyoid.cards.outlines import TARGET_LIMITS, outlines_limits, outlines_measured
from hyoid.cards.page import card_page
from hyoid.cards.petct import petct_limits, petct_measured
from hyoid.io.packages.model_package import Manifest

Part = Callable[[Manifest], Sequence[str]]
PARTS: dict[Kind, tuple[Part, Part]] = {
    Kind.OUTLINES: (outlines_measured, outlines_limits),
    Kind.TARGET: (outlines_measured, lambda manifest: TARGET_LIMITS),
    Kind.INVOLVEMENT: (involvement_measured, lambda manifest: INVOLVEMENT_LIMITS),
    Kind.SUB_SITES: (involvement_measured, lambda manifest: SUB_SITES_LIMITS),
    Kind.LESION: (lesion_measured, lesion_limits),
    Kind.PETCT: (petct_measured, petct_limits),
    Kind.MIDRT: (midrt_measured, midrt_limits),
}
"""What was measured, and where it fails, by kind of package."""


def compose_card(manifest: Manifest, kept: Mapping[str, str]) -> str:
    """Write the text of CARD.md of a measured package.

    Parameters
    ----------
    manifest : Manifest
        With everything that was measured.
    kept : mapping of str to str
        Sections that a person wrote, as `hyoid.cards.page.written_sections` finds them in an earlier card.
    """
    measured, limits = PARTS[kind_of(manifest)]
    return card_page(manifest, measured(manifest), limits(manifest), kept)
