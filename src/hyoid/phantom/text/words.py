"""The report of a virtual patient: template fields in varied wording, and each lesion's attributes."""

from __future__ import annotations

import numpy as np

from hyoid.anatomy.lesion_attributes import ATTRIBUTE_WORDS
from hyoid.phantom.cohort.truth import LesionTruth, Truth
from hyoid.phantom.disease.lesion_types import LESION_TYPES
from hyoid.phantom.text.free_text import write_report
from hyoid.phantom.text.phrasings import TUNING_1, TUNING_2

_SHAPES = {
    "round_like": ("rounded", "ovoid", "round-like"),
    "irregular": ("irregular", "lobulated", "irregularly shaped"),
    "wall_thickening": ("plaque-like mural", "sheet-like wall-thickening", "mural"),
    "punctate_nodular": ("small nodular", "punctate", "tiny nodular"),
}
_DENSITIES = {
    "hypodense": ("hypodense", "low-attenuation", "hypoattenuating"),
    "isodense": ("isodense", "muscle-isodense"),
    "hyperdense": ("hyperdense", "avidly enhancing", "hyperattenuating"),
}
_SENTENCES = (
    "There is a {size} {density} {shape} lesion, consistent with {kind}; it is {heterogeneity}, with {surface}.",
    "A {density}, {heterogeneity} {shape} lesion of {size} is seen and has {surface}. Appearance suggests {kind}.",
    "Findings of {kind}: {shape} lesion measuring {size}, {density} to muscle and {heterogeneity}, {surface}.",
)
_CLOSE = ("It abuts adjacent structures.", "It is in close relationship with adjacent structures.")
_APART = ("Fat planes around it are preserved.", "It has no close relationship with surrounding structures.")
_SURFACE = {
    "well_defined": ("a well-defined margin", "sharply demarcated borders"),
    "ill_defined": ("an ill-defined margin", "indistinct borders"),
}
_OTHERWISE = ("The remaining neck is unremarkable.", "No other lesion is identified.", "The airway is patent.")


def patient_report(truth: Truth, rng: np.random.Generator) -> str:
    """Write free text that states the truth; empty for a patient without disease.

    Parameters
    ----------
    truth : Truth
        Findings to state.
    rng : numpy.random.Generator
        Chooses wording. The phrasings that the evaluation holds out are not used.
    """
    if truth.primary:
        phrasing = (TUNING_1, TUNING_2)[int(rng.integers(2))]
        return write_report(truth, phrasing, rng).text.rstrip() + "\n"
    if not truth.lesions:
        return ""
    sentences = [_lesion(lesion, rng) for lesion in truth.lesions]
    return " ".join([*sentences, _OTHERWISE[int(rng.integers(len(_OTHERWISE)))]]) + "\n"


def _lesion(lesion: LesionTruth, rng: np.random.Generator) -> str:
    """One lesion in two sentences."""

    def pick(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    told = lesion.attributes
    size = f"{lesion.longest_mm / 10:.1f} cm" if rng.random() < 0.6 else f"{lesion.longest_mm:.0f} mm"
    first = pick(_SENTENCES).format(
        size=size,
        density=pick(_DENSITIES[told.density]),
        shape=pick(_SHAPES[told.shape]),
        kind=LESION_TYPES[lesion.kind].words,
        heterogeneity=ATTRIBUTE_WORDS["heterogeneity"][told.heterogeneity].lower(),
        surface=pick(_SURFACE[told.surface]),
    )
    return f"{first} {pick(_CLOSE if told.invasion == 'close_relationship' else _APART)}"
