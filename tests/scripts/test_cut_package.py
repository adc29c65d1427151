import pytest
import torch
from scripts.cut_package import cut_package
from tests.conftest import write_openkbp_case

from hyoid.errors import UsageError
from hyoid.io.packages.model_package import read_package
from hyoid.models.build import build_network
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.training.segmentation import train_segmentation

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


def network_of(package):
    network = build_network(package.manifest.network)
    network.load_state_dict({n: torch.from_numpy(a) for n, a in package.arrays().items()})
    return network.eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for number in (1, 2, 3):
        write_openkbp_case(folder, number)
    recipe = load_recipe("organs", "smoke")
    recipe = recipe.model_copy(update={"optimiser": recipe.optimiser.model_copy(update={"precision": "32-true"})})
    return read_package(train_segmentation(recipe, [folder], Run(tmp_path_factory.mktemp("run"), "cpu")))


def test_what_is_cut_out_answers_as_before(whole, tmp_path):
    names = ("target_region", "parotid_left", "larynx")
    package = read_package(cut_package(whole, names, tmp_path / "cut", name="some", words="Some of them."))
    assert (package.manifest.name, package.manifest.labels) == ("some", names)
    # No larynx was contoured in these cases.
    assert package.manifest.supported == ("target_region", "parotid_left")
    image = torch.randn(1, 2, 16, 16, 16)
    with torch.no_grad():
        wanted = network_of(whole)(image)[:, [whole.manifest.labels.index(name) for name in names]]
        assert torch.allclose(network_of(package)(image), wanted, atol=1e-5)


def test_a_structure_that_is_not_there_is_refused(whole, tmp_path):
    with pytest.raises(UsageError, match="is no U-Net that answers tongue"):
        cut_package(whole, ("larynx", "tongue"), tmp_path / "cut", name="x", words="x")
