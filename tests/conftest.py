"""Fixtures that every test folder may use."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.inference.click_network import ClickAnswer
from hyoid.io.packages.model_package import LearnedFrom, Manifest, write_package
from hyoid.io.study import Study
from hyoid.models.prompts import PointKind
from hyoid.preprocess.click_region import Region
from hyoid.volume import Geometry, Quantity, Volume

# The same few examples at every run; `make fuzz` takes --hypothesis-profile=fuzz: many, and others each time.
_SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "suite", max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=_SLOW
)
settings.register_profile("fuzz", max_examples=1700, deadline=None, database=None, suppress_health_check=_SLOW)
settings.load_profile("suite")

_SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real scans and masks; the test is skipped where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs ../shared/data")
    return _SHARED


@pytest.fixture
def make_nnunet_folder(tmp_path):
    """Write a small nnU-Net v2 folder as nnU-Net would, in `root`: `make(labels=..., patch=...)` gives its path."""
    return lambda root=tmp_path, **options: write_nnunet_folder(root, **options)


def write_nnunet_folder(
    root, *, labels=None, regions_class_order=None, channels=("CT",), schemes=("CTNormalization",), patch=(8, 16, 16),
    spacing=(3.0, 2.0, 2.0), encoder="PlainConvUNet", old=False, transpose=(0, 1, 2), folds=("0",), mirror=(0, 1, 2),
    configuration="3d_fullres", previous=None, masked=False, extra=None, seed=0, bias=None,
):  # fmt: skip
    """A two-stage network with random weights behind plans of either format."""
    import json

    import torch

    from hyoid.models.build import build_network

    labels = labels or {"background": 0, "GTVp": 1, "GTVn": 2}
    flat = [v for value in labels.values() for v in (value if isinstance(value, list) else [value])]
    heads = len(regions_class_order) if regions_class_order else len(set(flat))
    dimensions = len(patch)
    kernels, strides = [[3] * dimensions] * 2, [[1] * dimensions, [2] * dimensions]
    settings = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": list(patch),
        "spacing": list(spacing[-dimensions:]),
        "normalization_schemes": list(schemes),
        "use_mask_for_norm": [masked] * len(schemes),
    }
    if previous:
        settings["previous_stage"] = previous
    if old:
        settings |= {
            "UNet_class_name": encoder, "UNet_base_num_features": 4, "unet_max_num_features": 6,
            "n_conv_per_stage_encoder": [1, 1], "n_conv_per_stage_decoder": [1], "conv_kernel_sizes": kernels,
            "pool_op_kernel_sizes": strides, "num_pool_per_axis": [1] * dimensions,
        }  # fmt: skip
    else:
        blocks = "n_blocks_per_stage" if encoder == "ResidualEncoderUNet" else "n_conv_per_stage"
        settings["architecture"] = {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{encoder}",
            "arch_kwargs": {
                "n_stages": 2, "features_per_stage": [4, 6], "conv_op": f"torch.nn.modules.conv.Conv{dimensions}d",
                "kernel_sizes": kernels, "strides": strides, blocks: [1, 1], "n_conv_per_stage_decoder": [1],
                "conv_bias": True, "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dimensions}d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
            },
        }  # fmt: skip
    intensities = {"mean": 20.0, "std": 150.0, "percentile_00_5": -900.0, "percentile_99_5": 900.0}
    plans = {
        "dataset_name": "Dataset001_Test",
        "transpose_forward": list(transpose),
        "image_reader_writer": "SimpleITKIO",
        "configurations": {configuration: settings},
        "foreground_intensity_properties_per_channel": {str(k): intensities for k in range(len(channels))},
    }
    dataset = {"channel_names": {str(k): c for k, c in enumerate(channels)}, "labels": labels, "file_ending": ".nii.gz"}
    if regions_class_order:
        dataset["regions_class_order"] = list(regions_class_order)
    folder = root / f"nnUNetTrainerOfTheirOwn__nnUNetPlans__{configuration}"
    inputs = len(channels) + (len(set(flat) - {0}) if previous else 0)
    for fold in folds:
        torch.manual_seed(seed + (0 if fold == "all" else int(fold)))
        network = build_network({
            "kind": "unet_stages", "encoder": "residual" if encoder == "ResidualEncoderUNet" else "plain",
            "in_channels": inputs, "out_channels": heads, "features": [4, 6], "kernels": kernels, "strides": strides,
            "encoder_blocks": [1, 1], "decoder_convs": [1],
        })  # fmt: skip
        if bias is not None:  # one class everywhere, by its logit
            last = network.decoder.seg_layers[-1]
            torch.nn.init.zeros_(last.weight)
            last.bias.data = torch.tensor(bias, dtype=torch.float32)
        (folder / f"fold_{fold}").mkdir(parents=True)
        content = {
            "network_weights": network.state_dict(),
            "trainer_name": "nnUNetTrainerOfTheirOwn",
            "inference_allowed_mirroring_axes": mirror,
            "init_args": {"configuration": configuration},
        }
        torch.save(content | (extra or {}), folder / f"fold_{fold}" / "checkpoint_final.pth")
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    return folder


@pytest.fixture(scope="session")
def make_midrt_case():
    """Write a drawn patient before and during treatment in the HNTS-MRG layout; `make(root, name, seed)` gives it."""
    return write_midrt_case


@pytest.fixture(scope="session")
def midrt_case(tmp_path_factory):
    """A drawn patient before and during treatment, to read only: a case folder in the HNTS-MRG layout."""
    return write_midrt_case(tmp_path_factory.mktemp("midrt"), "a", seed=5)


def write_midrt_case(
    root, name="p1", seed=0, *, shape=(24, 64, 64), spacing=(4.0, 3.0, 3.0), move_mm=(0.0, 6.0, -3.0), shrink=0.6,
    node=True, registered=True,
):  # fmt: skip
    """A striped oval neck with a bright ball (and a node) that shrinks; mid is moved by `move_mm` (z, y, x)."""
    import numpy as np
    from scipy import ndimage

    from hyoid.io.files.volumes import write_nifti
    from hyoid.volume import Geometry, Quantity, Volume

    rng = np.random.default_rng(seed)
    geometry = Geometry.axial(shape, spacing, (-90.0, -90.0, 0.0))
    texture = ndimage.gaussian_filter(rng.normal(size=[n + 12 for n in shape]), (1.5, 2, 2))[6:-6, 6:-6, 6:-6]
    texture /= texture.std()
    z, y, x = (a * s for a, s in zip(np.indices(shape), spacing, strict=True))
    middle = [n * s / 2 for n, s in zip(shape, spacing, strict=True)]

    def scene(move, factor):
        at = [a - m for a, m in zip((z, y, x), move, strict=True)]
        taper = 1 + 0.2 * np.sin(at[0] / 25)
        body = ((at[1] - middle[1]) / 65) ** 2 + ((at[2] - middle[2]) / 75) ** 2 < taper
        looks = ndimage.shift(texture, [m / s for m, s in zip(move, spacing, strict=True)], order=1, mode="nearest")
        image = np.where(body, 300 + 50 * looks, 0) + np.abs(rng.normal(0, 6, shape))
        labels = np.zeros(shape, np.uint8)
        for label, centre, radius in ((1, (45, 85, 80), 15), (2, (50, 110, 130), 11))[: 2 if node else 1]:
            ball = sum((a - c) ** 2 for a, c in zip(at, centre, strict=True)) < (radius * factor) ** 2
            labels[ball & body] = label
            image[ball & body] = 560 + 20 * looks[ball & body]
        return Volume(image.astype(np.float32), geometry, Quantity.MR), Volume(labels, geometry, Quantity.LABEL)

    pre, pre_mask = scene((0, 0, 0), 1.0)
    mid, mid_mask = scene(move_mm, shrink)
    carried, carried_mask = scene(move_mm, 1.0)
    folder = root / name
    files = {
        "preRT/{}_preRT_T2": pre, "preRT/{}_preRT_mask": pre_mask, "midRT/{}_midRT_T2": mid,
        "midRT/{}_midRT_mask": mid_mask,
    }  # fmt: skip
    if registered:
        files |= {"midRT/{}_preRT_T2_registered": carried, "midRT/{}_preRT_mask_registered": carried_mask}
    for path, volume in files.items():
        target = folder / f"{path.format(name)}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(volume, target)
    return folder


def write_openkbp_case(folder, number):
    """Write a case drawn by hand: boxes for organs, a box for the target."""
    import numpy as np

    from hyoid.io.files.volumes import write_nifti
    from hyoid.volume import Geometry, Quantity, Volume

    shape = (40, 40, 44)
    rng = np.random.default_rng(number)
    geometry = Geometry.axial(shape, (3.0, 4.0, 4.0), (-80, -70, 0))
    hu = np.full(shape, -1024.0)
    hu[:, 5:35, 5:39] = rng.normal(40, 10, (40, 30, 34))
    labels = np.zeros(shape, np.uint8)
    labels[10:20, 20:26, 10:14] = 3  # parotid right: smaller x
    labels[10:20, 20:26, 30:34] = 4  # parotid left
    labels[5:35, 28:31, 20:23] = 2  # cord
    hu[labels == 3] = -50
    hu[labels == 4] = -60
    ptv = np.zeros(shape, np.uint8)
    ptv[12:22, 12:24, 26:36] = 3
    for name, array, quantity in (
        ("ct", hu, Quantity.HU),
        ("oar", labels, Quantity.LABEL),
        ("ptv", ptv, Quantity.LABEL),
    ):
        kind = np.int16 if name == "ct" else np.uint8
        write_nifti(Volume(array.astype(kind), geometry, quantity), folder / f"pt_{number}_{name}.nii.gz")


@pytest.fixture
def openkbp(tmp_path):
    """Three cases in OpenKBP's layout."""
    folder = tmp_path / "openkbp"
    folder.mkdir()
    for number in (1, 2, 3):
        write_openkbp_case(folder, number)
    return folder


# A scan with two balls in it, a network that outlines balls, and a run that is finished.
BALLS = {1: ((14, 30, 24), 12.0), 2: ((14, 30, 46), 8.0)}


def ball(shape, spacing_mm, centre, radius_mm):
    index = np.indices(shape).transpose(1, 2, 3, 0)
    return np.linalg.norm((index - np.array(centre)) * spacing_mm, axis=-1) <= radius_mm


def study_with_balls(fingerprint="balls"):
    shape, spacing = (28, 60, 70), (3.0, 2.0, 2.0)
    hu = np.full(shape, -1000.0, np.float32)
    hu[:, 6:54, 6:64] = -90
    for centre, radius in BALLS.values():
        hu[ball(shape, spacing, centre, radius)] = 70
    hu += np.random.default_rng(0).normal(0, 6, shape).astype(np.float32)
    return Study(Volume(hu, Geometry.axial(shape, spacing, (-70, -60, 0)), Quantity.HU), None, (), (), fingerprint)


@pytest.fixture(scope="session")
def ball_study():
    return study_with_balls()


@pytest.fixture(scope="session")
def ball_masks(ball_study):
    geometry = ball_study.volume.geometry
    return {number: ball(geometry.shape, geometry.spacing_mm, *row) for number, row in BALLS.items()}


class BallNetwork:
    """Stands in for the network: a ball around every click, so that answers are known and weights do not matter."""

    spacings_mm = (1.25, 2.5, 5.0)
    radius_mm = 10.0

    def __init__(self):
        self.manifest = Manifest(
            name="balls", version="1", words="", task="lesion", network={}, labels=("lesion",), supported=("lesion",),
            spacing_mm=(2.5, 2.5, 2.5), patch=(48, 48, 48), preprocessing={}, training_data="", licence="", sha256="0",
            learned_from=LearnedFrom(virtual=("lesion", *ATTRIBUTES)),
        )  # fmt: skip
        self.encoded = []

    def region(self, centre_lps_mm, spacing_mm):
        return Region(tuple(round(float(v), 3) for v in centre_lps_mm), spacing_mm, self.manifest.patch)

    def encode(self, volume, fingerprint, region):
        self.encoded.append((fingerprint, region))
        return region

    def decode(self, region, points, kinds, previous):
        index = (np.indices((24, 24, 24)).transpose(1, 2, 3, 0) + 0.5) * 2 - 0.5
        logits = np.full((24, 24, 24), -5.0, np.float32)
        for point, kind in zip(points, kinds, strict=True):
            near = self.radius_mm - np.linalg.norm((index - point) * region.spacing_mm, axis=-1)
            logits = np.minimum(logits, -near) if kind == PointKind.REMOVE else np.maximum(logits, near)
        attributes = {"shape": {"round_like": 0.7, "irregular": 0.1, "wall_thickening": 0.1, "punctate_nodular": 0.1}}
        return ClickAnswer(logits.astype(np.float32), 0.9, attributes)


@pytest.fixture
def click_network():
    return BallNetwork()


@pytest.fixture
def leave_package():
    """Write the package of a run as if a recipe had made it; `leave_package(folder, recipe)`."""
    return package_of_recipe


def package_of_recipe(folder, recipe):
    manifest = {
        "name": "n", "version": "1", "words": "", "task": "segmentation", "network": {}, "labels": ("larynx",),
        "supported": ("larynx",), "spacing_mm": (1, 1, 1), "patch": (8, 8, 8), "preprocessing": {},
        "training_data": "", "licence": "", "recipe": recipe.model_dump(mode="json"),
    }  # fmt: skip
    write_package(folder / "package", manifest, {"w": np.zeros(1, np.float32)}, licence="", card="")


@pytest.fixture(scope="session")
def measured_case():
    """A report of one primary tumour and two nodes, with what was outlined: `report`, `outlines`, `headers`."""
    from types import SimpleNamespace

    from hyoid.anatomy.structures import GTVN, GTVP
    from hyoid.io.dicom.output import synthetic_headers
    from hyoid.io.masks import boxed
    from hyoid.provenance import by_reader, network
    from hyoid.report.content.schema import (
        Conclusion,
        Evidence,
        Lesion,
        Line,
        ModelUse,
        Report,
        Uptake,
    )
    from hyoid.report.content.schema import Study as StudyFacts
    from hyoid.systems.outlines import Outlines

    grid = Geometry.axial((12, 40, 40), (3.0, 1.0, 1.0), (-20.0, -20.0, 0.0), "1.2.3")
    cubes = {name: np.zeros(grid.shape, bool) for name in ("primary", "larger", "smaller")}
    cubes["primary"][3:7, 10:20, 10:20] = True
    cubes["larger"][3:7, 25:30, 25:30] = True
    cubes["smaller"][8:10, 30:35, 5:10] = True
    targets, _ = boxed({GTVP: cubes["primary"], GTVN: cubes["larger"] | cubes["smaller"]}, grid)
    outlines = Outlines(grid, None, targets, {GTVP: by_reader(), GTVN: network("petct-resenc", "0.1")})

    def lesion(name, cube, kind, role, number, **more):
        voxel = np.argwhere(cubes[cube])[0]
        return Lesion(
            name=name, kind=kind, role=role, lesion=number, volume_ml=round(float(cubes[cube].sum()) * 0.003, 4),
            axial_long_mm=14.1, axial_short_mm=10.0, voxels=int(cubes[cube].sum()), slice_index=int(voxel[0]),
            point_lps_mm=tuple(grid.to_lps(voxel).tolist()), centroid_lps_mm=(0, 0, 0), **more,
        )  # fmt: skip

    def line(key, words, section, value, status="measured", **more):
        return Line(key=key, words=words, section=section, value=value, status=status, **more)

    report = Report(
        impression=(Conclusion(words="A tumour of the base of the tongue."),),
        study=StudyFacts(modality="PT/CT", spacing_mm=grid.spacing_mm, slices=12, fingerprint="ab" * 32),
        models=(ModelUse(name="petct-resenc", version="0.1", licence="CC0-1.0", trained_on="virtual patients"),),
        lines=(
            line("base_of_tongue", "Base of tongue", "Oropharynx", "Involved: 1.10 ml, 20 % of the structure"),
            line("epiglottis", "Epiglottis", "Larynx", "Not involved by the primary tumour"),
            line(
                "tonsil", "Tonsil (R/L/Both)", "Oropharynx", "Involvement possible, left", "model", probability=0.4,
                evidence=(Evidence(status="model", source="sgrnet-template 0.3", probability=0.4),),
            ),
            line("lip", "Lip", "Oral Cavity", "Not assessed: no outline", "Missing"),
            line("number_of_nodes", "Number of nodes", "Lymph Node Metastases", "2 outlined", "model, measured"),
            line("ct_tnm8", "cT (TNM 8), primary tumour", "Staging for confirmation", "cT1 (TNM 8, oropharynx)"),
        ),
        lesions=(
            lesion(
                "Primary tumour", "primary", "GTVp", "index lesion", 1, status="reader", side="left", level="",
                longest_diameter_mm=17.35, site="Base of tongue (oropharynx)",
                uptake=Uptake(suv_max=12.3, suv_mean=5.6, mtv_ml=1.1, tlg_g=6.05),
            ),
            lesion("Node 1", "larger", "GTVn", "node", 1, status="model", side="left", longest_diameter_mm=11.5,
                   level="levels IIa and III"),
            lesion("Node 2", "smaller", "GTVn", "node", 2, status="model", side="right", longest_diameter_mm=8.25,
                   level="level VI (anterior compartment)", extranodal_extension="No"),
        ),
        organs=(), missing_organs=(), warnings=("Sizes are measured on predicted outlines.",), empty=False,
    )  # fmt: skip
    return SimpleNamespace(report=report, outlines=outlines, headers=synthetic_headers(grid, seed="measured case"))
