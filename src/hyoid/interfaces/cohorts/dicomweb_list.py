"""A list of cases that is a query of a DICOMweb server; each worker fetches the study of its case. Extra `node`.

A case's path is a URL of our own, `dicomweb:///folder/query.yaml#STUDY/SERIES:IMAGES,...`: the file that says how the
server is reached, the UIDs, and how many images each series had when the list was made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator
from pydicom.dataset import Dataset

from hyoid.errors import HyoidError, InputRefusedError, UnreadableFileError, UsageError
from hyoid.interfaces.dicomweb.answers import (
    COUNT_OF_SERIES,
    MODALITY,
    PATIENT_ID,
    SERIES_UID,
    STUDY_UID,
    file_of,
    value_of,
)
from hyoid.interfaces.dicomweb.settings import WebServer, read_settings
from hyoid.interfaces.extras import needs_extra
from hyoid.io.cohorts.found_cases import study_name
from hyoid.io.cohorts.listed import Kind, ListedCase

if TYPE_CHECKING:
    from dicomweb_client.api import DICOMwebClient

SCHEME = "dicomweb://"
SUFFIXES = (".yaml", ".yml")
_MODALITIES: dict[str, tuple[str, ...]] = {"ct": ("CT",), "petct": ("CT", "PT"), "channels": ("CT",)}
"""Series that a job reads where the query does not say; a study needs one of each."""
_PAGE = 500
_PLACE = re.compile(r"(?P<file>.+)#(?P<study>[0-9.]+)/(?P<series>[0-9.]+:[0-9]+(,[0-9.]+:[0-9]+)*)")


class Query(WebServer):
    """Which studies of a DICOMweb server are the cases of a list.

    Attributes
    ----------
    query : dict of str to str
        QIDO-RS attributes by keyword, such as StudyDate: 20240101-20241231 or StudyDescription: "*neck*".
    modalities : tuple of str
        Series of these modalities are fetched, and a study needs one of each; the job's own when empty.
    most : int
        So many studies at most; more are refused, so that a slip in the query does not fetch an archive.
    """

    query: dict[str, str] = Field(min_length=1)
    modalities: tuple[str, ...] = ()
    most: int = Field(default=10_000, ge=1)

    @field_validator("query", mode="before")
    @classmethod
    def _texts(cls, query: object) -> object:
        # YAML reads 20240101 as a number.
        if not isinstance(query, dict):
            return query
        return {k: str(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in query.items()}


def read_query(path: Path) -> Query:
    """Read a query of a DICOMweb server from a YAML file.

    Parameters
    ----------
    path : Path
        YAML file; paths in it are relative to its folder.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read.
    UsageError
        When a key is unknown, missing or wrong.
    """
    return read_settings(path, Query, "query", "docs/cohorts.md")


def studies_of(path: Path, kind: Kind) -> list[ListedCase]:
    """Ask a DICOMweb server for the studies of a query, in the order of patients and studies.

    Parameters
    ----------
    path : Path
        YAML file of the query.
    kind : str
        What the job reads.

    Raises
    ------
    UsageError
        When a query cannot tell what a case of this job is, or finds more studies than it says.
    InputRefusedError
        When the server cannot be asked, or has no study that fits.
    """
    if kind not in _MODALITIES:
        raise UsageError("A query of a server does not tell what a case of this job is.", "Give a table or a folder.")
    query = read_query(path)
    wanted = query.modalities or _MODALITIES[kind]
    client = _client(query)
    # The rarest modality asks for the fewest studies.
    filters = {"ModalitiesInStudy": wanted[-1]} | query.query
    with _asked():
        rows = sorted(
            _rows(client, filters, query.most), key=lambda row: (value_of(row, PATIENT_ID), value_of(row, STUDY_UID))
        )
        patients = {who: n for n, who in enumerate(dict.fromkeys(value_of(row, PATIENT_ID) for row in rows), start=1)}
        cases: list[ListedCase] = []
        for row in rows:
            study = value_of(row, STUDY_UID)
            series = [s for s in client.search_for_series(study, get_remaining=True) if value_of(s, MODALITY) in wanted]
            counts = {m: sum(_count(s) for s in series if value_of(s, MODALITY) == m) for m in wanted}
            if not all(counts.values()):
                continue
            parts = ",".join(sorted(f"{value_of(s, SERIES_UID)}:{_count(s)}" for s in series if _count(s)))
            images = ", ".join(f"{n} {modality}" for modality, n in counts.items())
            cases.append(
                ListedCase(
                    len(cases) + 1,
                    study_name(study),
                    (f"{SCHEME}{path.resolve().as_posix()}#{study}/{parts}",),
                    words=f"DICOM study of the server: {images} image(s)",
                    patient=patients[value_of(row, PATIENT_ID)],
                )
            )
    if not cases:
        raise InputRefusedError(
            f"The server has no study that fits the query and holds {' and '.join(wanted)}.",
            "Check `query` and `modalities`; their words and dates are compared by the server.",
        )
    return cases


def study_fingerprint(url: str) -> str:
    """Hash what the list knew of a study on the server: UIDs, and the number of images of each series.

    Parameters
    ----------
    url : str
        Path of a case from `studies_of`.
    """
    return hashlib.sha256(_parts(url)["study"].encode() + _parts(url)["series"].encode()).hexdigest()


def fetch_study(url: str, folder: Path) -> str:
    """Fetch the series of a study into a new folder, one file an image.

    Parameters
    ----------
    url : str
        Path of a case from `studies_of`.
    folder : Path
        Folder to make.

    Returns
    -------
    str
        Folder of the files.

    Raises
    ------
    InputRefusedError
        When the server cannot be asked, or gives more or fewer images than the list says.
    """
    parts = _parts(url)
    client = _client(read_query(Path(parts["file"])))
    folder.mkdir(parents=True)
    for k, series in enumerate(parts["series"].split(",")):
        uid, count = series.split(":")
        with _asked():
            got = sum(1 for _ in _written(client.iter_series(parts["study"], uid), folder / str(k)))
        if got != int(count):
            raise InputRefusedError(
                f"The server gave {got} of the {count} images that a series had when the list was made.",
                "Run the same command again when the study is whole.",
            )
    return str(folder)


def _rows(client: DICOMwebClient, filters: dict[str, str], most: int) -> list[dict[str, dict]]:
    """Studies of a query, asked for page by page until nothing new comes: some servers know no offset."""
    found: dict[str, dict[str, dict]] = {}
    while True:
        page = client.search_for_studies(
            search_filters=filters, fields=["PatientID"], limit=min(most + 1, _PAGE), offset=len(found)
        )
        new = {uid: row for row in page if (uid := value_of(row, STUDY_UID)) not in found}
        if not new:
            return list(found.values())
        found |= new
        if len(found) > most:
            raise UsageError(
                f"The query finds more than {most} studies.", "Narrow it, or give a larger number as `most`."
            )


def _written(objects: Iterable[Dataset], folder: Path) -> Iterator[Path]:
    folder.mkdir()
    for n, dataset in enumerate(objects):
        (folder / f"{n}.dcm").write_bytes(file_of(dataset))
        yield folder / f"{n}.dcm"


def _client(query: Query) -> DICOMwebClient:
    with needs_extra("node", "A query of a DICOMweb server"):
        from hyoid.interfaces.dicomweb.client import web_client
    return web_client(query)


@contextmanager
def _asked() -> Iterator[None]:
    """Turn what the libraries of the web raise into a refusal: their words may name patients."""
    try:
        yield
    except HyoidError:
        raise
    except OSError as error:  # requests' own errors are of this kind
        raise InputRefusedError(
            f"The DICOMweb server cannot be asked ({type(error).__name__}).",
            "Check its address, your rights there, and the network; then run the same command again.",
        ) from None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputRefusedError(
            f"The server's answer is not DICOMweb's ({type(error).__name__}).", "Check the address."
        ) from None


def _count(series: dict[str, dict]) -> int:
    return int(value_of(series, COUNT_OF_SERIES) or 0)


def _parts(url: str) -> dict[str, str]:
    found = _PLACE.fullmatch(url.removeprefix(SCHEME))
    if found is None:
        raise UnreadableFileError("A URL of the list is not one of a study on a server.", "Make the list again.")
    return found.groupdict()
