"""Names that other projects give to hyoid's structures, in their `dataset.json` for example.

Names are compared in small letters with one underscore between words; a side may stand before or behind, whole or as a
letter. What stands in no table is no structure of hyoid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hyoid.anatomy.structures import BY_NAME, TG263_NAMES

# Without side. TotalSegmentator (`map_to_binary.py`), AMOS and FLARE, HECKTOR and HNTS-MRG.
_ELSEWHERE: Mapping[str, str] = {
    "hyoid": "hyoid_bone",
    "esophagus": "oesophagus",
    "brain_stem": "brainstem",
    "spinalcord": "spinal_cord",
    "thyroid": "thyroid_gland",
    "internal_carotid_artery": "carotid",
    "internal_jugular_vein": "jugular",
    "sterno_thyroid": "sternothyroid",
    "parotid_gland": "parotid",
    "submandibular_gland": "submandibular",
    "gtv_p": "gtvp",
    "gtv_n": "gtvn",
}
_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}


def plain_name(name: str) -> str:
    """Write a name in small letters with one underscore between words.

    Examples
    --------
    >>> plain_name("Left Parotid-Gland"), plain_name("GTVp")
    ('left_parotid_gland', 'gtvp')
    """
    return "_".join(re.findall(r"[a-z0-9]+", name.lower()))


_TG263 = {plain_name(tg263): name for name, tg263 in TG263_NAMES.items()}


def structure_named(name: str) -> str | None:
    """Find the structure of hyoid that somebody else's name means; None where no table holds the name.

    Parameters
    ----------
    name : str
        Name of a label, for example "internal_carotid_artery_right".

    Examples
    --------
    >>> structure_named("internal_carotid_artery_right"), structure_named("Left Parotid"), structure_named("Esophagus")
    ('carotid_right', 'parotid_left', 'oesophagus')
    >>> structure_named("masseter_left") is None
    True
    """
    plain = plain_name(name)
    if plain in BY_NAME:
        return plain
    if plain in _TG263:
        return _TG263[plain]
    words = plain.split("_")
    side = ""
    if len(words) > 1 and words[-1] in _SIDES:
        side, words = _SIDES[words[-1]], words[:-1]
    elif len(words) > 1 and words[0] in _SIDES:
        side, words = _SIDES[words[0]], words[1:]
    base = "_".join(words)
    found = "_".join(part for part in (_ELSEWHERE.get(base, base), side) if part)
    return found if found in BY_NAME else None
