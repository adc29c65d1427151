"""Truths of patients without an image, for written reports."""

from __future__ import annotations

import numpy as np

from hyoid.anatomy.subsites import FIELDS, SUBSITE_BY_NAME
from hyoid.phantom.cohort.truth import NodeTruth, Truth
from hyoid.phantom.disease.growth import draw_primary_site
from hyoid.phantom.disease.lymphatics import involved_levels, lymphatic_site

_NOT_WRITTEN = ("airway_compromise", "et_tube_in_situ")


def draw_truth(rng: np.random.Generator) -> Truth:
    """Draw the truth of a patient without an image: site, side, involved neighbours and nodes.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all chance.
    """
    primary = draw_primary_site(rng)
    row = SUBSITE_BY_NAME[primary]
    side = row.side.value if row.side.value != "midline" else str(rng.choice(["left", "right"]))
    near = [f.key for f in FIELDS if f.region == row.region and f.key != row.field]
    far = [f.key for f in FIELDS if f.region != row.region and f.key not in _NOT_WRITTEN]
    chosen = {row.field}
    chosen |= set(rng.choice(near, size=min(len(near), int(rng.integers(0, 4))), replace=False).tolist())
    chosen |= set(rng.choice(far, size=int(rng.integers(0, 3)), replace=False).tolist())
    shares = involved_levels(lymphatic_site(primary))
    places, share = list(shares), np.array(list(shares.values()))
    other = {"left": "right", "right": "left"}
    nodes = []
    for _ in range(int(rng.integers(0, 5))):
        level, same = places[int(rng.choice(len(places), p=share / share.sum()))]
        longest = float(np.round(rng.uniform(8, 45), 0))
        short = float(np.round(longest * rng.uniform(0.5, 1.0), 0))
        nodes.append(NodeTruth(level, side if same else other[side], longest, short, bool(rng.random() < 0.3)))
    return Truth(
        sex=str(rng.choice(["F", "M"])),
        fat=0.0,
        primary=primary,
        side=side,
        size_cm=float(np.round(rng.uniform(1.0, 6.0), 1)),
        involved={f.key: f.key in chosen for f in FIELDS if f.key not in _NOT_WRITTEN},
        nodes=tuple(nodes),
    )
