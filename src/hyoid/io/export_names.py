"""Names under which structures leave hyoid: TG-263's, hyoid's own, or those of a table that the hospital keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from hyoid.anatomy.structures import HYOID_NAMES, TG263_NAMES
from hyoid.errors import UsageError

# LO, of SegmentLabel and ROIName.
_LONGEST = 64


def read_names(choice: str) -> Mapping[str, str]:
    """Read the exported name of every structure, by the structure's own name.

    Parameters
    ----------
    choice : str
        `tg263`, `hyoid`, or a YAML file with lines such as `parotid_left: Parotid L`; structures that the file leaves
        out keep their TG-263 name.

    Raises
    ------
    UsageError
        When the file cannot be read, names a structure that hyoid does not know, or gives two structures one name.

    Examples
    --------
    >>> read_names("tg263")["parotid_left"], read_names("hyoid")["parotid_left"]
    ('Parotid_L', 'parotid_left')
    """
    if choice in ("tg263", "hyoid"):
        return TG263_NAMES if choice == "tg263" else HYOID_NAMES
    path = Path(choice)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise UsageError(f"There are no names {choice!r}.", "Choose tg263, hyoid or a .yaml file.")
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"The table of names cannot be read ({type(error).__name__}).", "Check the file.") from None
    if not isinstance(table, Mapping) or not all(isinstance(value, str) and value.strip() for value in table.values()):
        raise UsageError("The table of names is no list of `structure: name`.", "Write `parotid_left: Parotid L`.")
    if unknown := sorted(str(name) for name in table if name not in TG263_NAMES):
        raise UsageError(
            f"The table names structures that hyoid does not outline: {', '.join(unknown[:5])}.",
            "Use hyoid's names, such as parotid_left.",
        )
    names = dict(TG263_NAMES) | {name: value.strip() for name, value in table.items()}
    if long := [value for value in names.values() if len(value) > _LONGEST]:
        raise UsageError(f"{len(long)} names are longer than {_LONGEST} characters.", "DICOM takes no longer ones.")
    if any(not value.isprintable() or "\\" in value for value in names.values()):
        raise UsageError("A name holds a backslash or a control character.", "DICOM takes neither in a name.")
    values = list(names.values())
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise UsageError(f"Two structures have the name {', '.join(twice)}.", "Give each a name of its own.")
    return names
