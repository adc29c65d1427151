"""Build `src/hyoid/phantom/data/lymphatics.csv`: how often each nodal level is involved, by site of the primary.

Run from the project folder, a second, no random numbers::

    python scripts/build_lymphatics.py ../shared/data/lymphatics src/hyoid/phantom/data/lymphatics.csv

Reads the tables of lyDATA (Ludwig et al., CC BY-SA 4.0). A level counts as involved when the diagnostic consensus says
so or, where there is none, when CT, MRI or PET does. Levels II and V count only where they are divided into IIa, IIb
and Va, Vb; the numbers of patients differ for that reason.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

LEVELS = ("Ia", "Ib", "IIa", "IIb", "III", "IV", "Va", "Vb", "VII")
SITES = {
    "oral": ("C00", "C02", "C03", "C04", "C06"),
    "oropharynx": ("C01", "C05", "C09", "C10"),
    "hypopharynx": ("C12", "C13"),
    "larynx": ("C32",),
}


def site_of(code: str) -> str | None:
    """Site of an ICD-10 code."""
    return next((site for site, codes in SITES.items() if code[:3] in codes), None)


def main(source: Path, out: Path) -> None:
    """Count and write."""
    seen: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for path in sorted(source.glob("*.csv")):
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        columns = list(zip(*rows[:3], strict=True))
        code = next(i for i, c in enumerate(columns) if c[0] == "tumor" and c[2] == "subsite")
        for row in rows[3:]:
            site = site_of(row[code])
            if site is None:
                continue
            for side in ("ipsi", "contra"):
                for level in LEVELS:
                    said = {
                        kind: row[i] == "True"
                        for i, (kind, where, name) in enumerate(columns)
                        if where == side and name == level and row[i] in ("True", "False")
                    }
                    found = [said["diagnostic_consensus"]] if "diagnostic_consensus" in said else []
                    found = found or [said[kind] for kind in ("CT", "MRI", "PET") if kind in said]
                    if found:
                        seen[site, side, level].append(int(any(found)))
    with out.open("w", newline="", encoding="utf-8") as stream:
        stream.write("# Derived from lyDATA (Ludwig et al.), CC BY-SA 4.0; this table carries the same licence.\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["site", "side", "level", "patients", "involved"])
        for (site, side, level), values in sorted(seen.items()):
            writer.writerow([site, side, level, len(values), sum(values)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
