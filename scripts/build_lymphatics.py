"""Build `lymphatics.csv` and `nodal_patterns.csv` of `src/hyoid/phantom/data`: how often nodal levels are involved.

Run from the project folder, a second, no random numbers::

    python scripts/build_lymphatics.py ../shared/data/lymphatics src/hyoid/phantom/data/lymphatics.csv

The first table counts each level by site of the primary. The second, written beside it, counts which levels are
involved together, on both sides, by site and T stage (early: T0 to T2; late: T3, T4); "II" is a level that the cohort
does not divide. It takes pathology where neither imaging nor consensus says anything, reads "TRUE" like "True", and
leaves out patients of whom level II of the primary's side is not told; the first table does neither, and stays as it is
because cohorts were drawn from it.

Reads the tables of lyDATA (Ludwig et al., CC BY-SA 4.0). A level counts as involved when the diagnostic consensus says
so or, where there is none, when CT, MRI or PET does. Levels II and V count only where they are divided into IIa, IIb
and Va, Vb; the numbers of patients differ for that reason.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict
from pathlib import Path

LEVELS = ("Ia", "Ib", "IIa", "IIb", "III", "IV", "Va", "Vb", "VII")
UNDIVIDED = {"I": ("Ia", "Ib"), "II": ("IIa", "IIb"), "V": ("Va", "Vb")}
SITES = {
    "oral": ("C00", "C02", "C03", "C04", "C06"),
    "oropharynx": ("C01", "C05", "C09", "C10"),
    "hypopharynx": ("C12", "C13"),
    "larynx": ("C32",),
}


def site_of(code: str) -> str | None:
    """Site of an ICD-10 code."""
    return next((site for site, codes in SITES.items() if code[:3] in codes), None)


def pattern(row: list[str], columns: list[tuple[str, ...]], side: str) -> str | None:
    """Levels involved on one side, undivided ones only where no division is given; None when level II is not told."""
    said = {}
    for name in (*LEVELS, *UNDIVIDED):
        values = {
            kind: row[i].upper() == "TRUE"
            for i, (kind, where, level) in enumerate(columns)
            if where == side and level == name and row[i].upper() in ("TRUE", "FALSE")
        }
        for kinds in (("diagnostic_consensus",), ("CT", "MRI", "PET"), ("pathology",)):
            if found := [values[kind] for kind in kinds if kind in values]:
                said[name] = any(found)
                break
    if not {"II", "IIa", "IIb"} & said.keys():
        return None
    for name, parts in UNDIVIDED.items():
        if any(said.get(part) for part in parts):
            said.pop(name, None)
    return " ".join(level for level in (*LEVELS, *UNDIVIDED) if said.get(level))


def main(source: Path, out: Path) -> None:
    """Count and write."""
    seen: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    together: Counter[tuple[str, str, str, str]] = Counter()
    for path in sorted(source.glob("*.csv")):
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        columns = list(zip(*rows[:3], strict=True))
        code = next(i for i, c in enumerate(columns) if c[0] == "tumor" and c[2] == "subsite")
        t_stage = next(i for i, c in enumerate(columns) if c[0] == "tumor" and c[2] == "t_stage")
        for row in rows[3:]:
            site = site_of(row[code])
            if site is None:
                continue
            both = [pattern(row, columns, side) for side in ("ipsi", "contra")]
            if both[0] is not None:
                stage = "late" if row[t_stage] in ("3", "4") else "early"
                together[site, stage, both[0] or "", both[1] or ""] += 1
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
    with out.with_name("nodal_patterns.csv").open("w", newline="", encoding="utf-8") as stream:
        stream.write("# Derived from lyDATA (Ludwig et al.), CC BY-SA 4.0; this table carries the same licence.\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["site", "stage", "ipsi", "contra", "patients"])
        for key, patients in sorted(together.items()):
            writer.writerow([*key, patients])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
