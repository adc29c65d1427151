"""The five attributes of a lesion and their words (Table 1 of ISRG, MICCAI 2025); a class index is a place in a row."""

from __future__ import annotations

ATTRIBUTE_WORDS: dict[str, dict[str, str]] = {
    "shape": {
        "round_like": "Round-like",
        "irregular": "Irregular",
        "wall_thickening": "Wall thickening",
        "punctate_nodular": "Punctate, nodular",
    },
    "invasion": {
        "no_close_relationship": "No close relationship with surrounding structures",
        "close_relationship": "Close relationship with adjacent structures",
    },
    "density": {"hypodense": "Hypodense", "isodense": "Isodense", "hyperdense": "Hyperdense"},
    "heterogeneity": {"homogeneous": "Homogeneous", "heterogeneous": "Heterogeneous"},
    "surface": {"well_defined": "Well-defined margin", "ill_defined": "Ill-defined margin"},
}

ATTRIBUTES: dict[str, tuple[str, ...]] = {name: tuple(words) for name, words in ATTRIBUTE_WORDS.items()}
