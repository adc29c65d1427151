import pytest

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.node.config import FolderDestination
from hyoid.interfaces.web.sending import read_destinations


def test_destinations_of_a_nodes_configuration_are_read(tmp_path):
    (tmp_path / "node.yaml").write_text(
        "{state: s, folders: [{path: in}], rules: [], destinations: {copy: {kind: folder, path: out}}}"
    )
    sending = read_destinations(tmp_path / "node.yaml")
    assert dict(sending.destinations) == {"copy": FolderDestination(kind="folder", path=tmp_path / "out")}


@pytest.mark.parametrize("text", ["{rules: []}", "{destinations: {a: {kind: pigeon}}}", "{destinations: {'a/b': {}}}"])
def test_a_file_without_usable_destinations_is_refused(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UsageError, match="destinations"):
        read_destinations(tmp_path / "a.yaml")
    with pytest.raises(UnreadableFileError):
        read_destinations(tmp_path / "absent.yaml")
