"""Everything hyoid refuses, in one tree.

::

    HyoidError
    ├── UsageError              exit 2   the command or call itself is wrong
    │   └── StaleRevisionError           another window changed the session first
    ├── InputRefusedError       exit 3   the data cannot be used safely
    │   ├── UnreadableFileError          truncated, corrupt, or of an unknown format
    │   ├── SeveralStudiesError          several patients or studies where one is read
    │   ├── SeriesError                  slices missing, doubled, mixed
    │   ├── MissingTagError              a DICOM tag that the answer depends on is absent
    │   ├── WrongQuantityError           HU where SUV is needed, and the like
    │   ├── GeometryError                grids or frames that do not belong together
    │   ├── UnsuitableScanError          not a head-and-neck CT
    │   └── OutputError                  the output could not be written or failed its read-back
    └── ModelUnusableError      exit 4   a model package or its weights cannot be used

A message says what is wrong with its value and what to do about it. It never holds anything that identifies a
patient: no name, no identifier, no date of birth, and no path below the one the caller gave.
"""


class HyoidError(Exception):
    """Base of every refusal.

    Parameters
    ----------
    problem : str
        What is wrong, with the offending value.
    cure : str, optional
        What the user can do.
    """

    exit_code = 1
    exit_words = "Failed:"

    def __init__(self, problem: str, cure: str = "") -> None:
        self.problem = problem
        self.cure = cure
        super().__init__(f"{problem} {cure}".strip())


class UsageError(HyoidError):
    """Raised when a command, option or recipe key is wrong."""

    exit_code = 2
    exit_words = "Wrong usage:"


class StaleRevisionError(UsageError):
    """Raised when a change was asked for on another revision than the latest: another window was faster."""


class InputRefusedError(HyoidError):
    """Raised when data cannot be used without guessing."""

    exit_code = 3
    exit_words = "Input refused:"


class UnreadableFileError(InputRefusedError):
    """Raised when a file is truncated, corrupt, or of a format hyoid does not read."""


class SeveralStudiesError(InputRefusedError):
    """Raised when a folder or an archive holds several patients or studies, and none was chosen."""


class SeriesError(InputRefusedError):
    """Raised when DICOM slices do not form one regular volume."""


class MissingTagError(InputRefusedError):
    """Raised when a DICOM tag that the result depends on is absent or malformed."""


class WrongQuantityError(InputRefusedError):
    """Raised when voxels measure something else than the function needs."""


class GeometryError(InputRefusedError):
    """Raised when two grids or frames of reference do not belong together."""


class UnsuitableScanError(InputRefusedError):
    """Raised when a scan is readable but is not a head-and-neck scan of the needed kind."""


class OutputError(InputRefusedError):
    """Raised when an output could not be written, or differs when read back."""


class ModelUnusableError(HyoidError):
    """Raised when a model package, its weights or its licence forbid its use."""

    exit_code = 4
    exit_words = "Model unusable:"
