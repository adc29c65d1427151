"""Signed reports on their way to a hospital's systems: the destinations of the node, asked one object at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyoid.errors import InputRefusedError, OutputError, UsageError
from hyoid.interfaces.dicomweb.settings import Settings, read_settings
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.node.config import Destination, FolderDestination, Name


class SendTo(Settings):
    """Destinations of a file; a node's whole configuration will do, of which nothing else is read.

    Attributes
    ----------
    destinations : dict of str to Destination
        Where to, by the name that the page shows.
    """

    model_config = Settings.model_config | {"extra": "ignore"}

    destinations: dict[Name, Destination]


def read_destinations(path: Path) -> Sending:
    """Read the destinations that a page may send to.

    Parameters
    ----------
    path : Path
        YAML file with the key `destinations`, as in a node's configuration.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read.
    UsageError
        When a key is wrong, or the extra `node` is not installed.
    """
    with needs_extra("node", "Sending"):
        import dicomweb_client  # noqa: F401
        import pynetdicom  # noqa: F401
    return Sending(read_settings(path, SendTo, "file of destinations", "docs/workspace.md").destinations)


@dataclass(frozen=True)
class Sending:
    """Where a page may send what was signed.

    Parameters
    ----------
    destinations : mapping of str to Destination
        Where to, by name.
    """

    destinations: Mapping[str, Destination] = field(default_factory=dict)

    def known(self, name: str) -> str:
        """Return the name of a destination.

        Raises
        ------
        UsageError
            When there is no destination of this name.
        """
        if name not in self.destinations:
            raise UsageError("There is no such destination.", "Reload the page.")
        return name

    def send(self, name: str, results: Path) -> int:
        """Send the DICOM objects of a folder of results, and return their number; what is there already stays there.

        Parameters
        ----------
        name : str
            Name of the destination.
        results : Path
            Folder of results; of a folder as destination, the name of the run there.

        Raises
        ------
        UsageError
            When there is no destination of this name.
        InputRefusedError
            When the scan was no DICOM, so that no object belongs to its study, or the destination refuses one.
        OutputError
            When the destination cannot be reached or has no room.
        """
        from hyoid.interfaces.node.destinations import PeerDownError, PeerRefusedError, open_peer
        from hyoid.interfaces.node.runner import dicom_files

        destination = self.destinations[self.known(name)]
        files = dicom_files(results)
        try:
            with open_peer(destination, files) as peer:
                for item in [results] if isinstance(destination, FolderDestination) else files:
                    if not peer.holds(item):
                        peer.send(item)
        except PeerDownError as error:
            raise OutputError(
                error.problem, "Send again when the destination is there; nothing is sent twice."
            ) from None
        except PeerRefusedError as error:
            raise InputRefusedError(error.problem, "Ask who runs the destination.") from None
        return len(files)


NOWHERE = Sending()
