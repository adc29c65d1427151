"""The words for systems that were used before; files and command lines that hold them are still understood.

A system has one word: `ct_report`, `petct`, `lesion`, `midrt`, `nnunet`. Networks keep the names that their authors
gave (SGRNet, ISRG), and so do the packages that hold their weights.
"""

from __future__ import annotations

FORMER_NAMES = {
    # Tasks, in recipes and manifests.
    "classification": "ct_report",
    "targets": "petct",
    "clicks": "lesion",
    # Recipes.
    "sgrnet": "ct_report",
    "isrg": "lesion",
    # Tables of `hyoid ablate`.
    "sgrnet-table1": "ct_report-table1",
    "sgrnet-table2": "ct_report-table2",
    "hecktor-table5": "petct-table5",
    "isrg-table2": "lesion-table2",
    "isrg-table3": "lesion-table3",
    "isrg-clicks": "lesion-clicks",
    "gradient-fold0": "midrt-fold0",
    "gradient-5fold": "midrt-5fold",
}


def current_name(name: str) -> str:
    """Translate the former name of a task, recipe or table into the present one; leave any other name as it is.

    Examples
    --------
    >>> current_name("sgrnet-table1"), current_name("midrt")
    ('ct_report-table1', 'midrt')
    """
    return FORMER_NAMES.get(name, name)
