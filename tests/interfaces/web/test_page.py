"""The page in a real Chromium: `pytest -m browser`."""

import functools
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.web.server import make_app
from hyoid.interfaces.web.studies import Studies
from hyoid.io.files.volumes import write_nifti
from hyoid.phantom.patient import PhantomOptions, virtual_patient
from hyoid.report.content.schema import ModelUse
from hyoid.systems.lesion.report import scan_inputs
from hyoid.systems.lesion.response import EarlierLesion
from hyoid.systems.lesion.strokes import whole_of
from hyoid.volume import Quantity, Volume
from hyoid.workspace.drafts import Draft, Drafter
from hyoid.workspace.scans import Scans
from hyoid.workspace.workspace import Workspace

sys.path.insert(0, str(Path(__file__).parent))
import chromium

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.binary() is None, reason="needs a Chromium")]


TOKEN = "token-of-the-tests"


class Server:
    """`hyoid serve` in a process of its own."""

    def __init__(self, studies, data, port, *more):
        self.arguments = ["serve", str(studies), "--port", str(port), "--data", str(data), *(more or ("--no-draft",))]
        self.arguments += ["--token", TOKEN]
        self.address = f"http://127.0.0.1:{port}/?token={TOKEN}"
        self.about = f"http://127.0.0.1:{port}/api/about?token={TOKEN}"
        self.process = None

    def start(self):
        code = "from hyoid.interfaces.cli.main import main; main()"
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen([sys.executable, "-c", code, *self.arguments], env=environment)
        end = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(self.about, timeout=5).close()
                return self
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    self.kill()
                    raise AssertionError("the server did not start") from None
                time.sleep(0.3)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None


@pytest.fixture(scope="module")
def place(patient, tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    (root / "studies").mkdir()
    write_nifti(patient.ct, root / "studies" / "ct.nii.gz")
    return root


@pytest.fixture(scope="module")
def server(place):
    running = Server(place / "studies", place / "data", 8061).start()
    yield running
    if running.process is not None:
        running.kill()


@pytest.fixture(scope="module")
def tabs(tmp_path_factory):
    with chromium.browser(tmp_path_factory.mktemp("profile")) as new_tab:
        yield new_tab


def open_study(tabs, server, name="ct.nii.gz"):
    tab = tabs(server.address)
    tab.until("document.querySelectorAll('#studies button').length")
    tab.js(
        "[...document.querySelectorAll('#studies button')]"
        f".find((b) => b.querySelector('.name').textContent === '{name}').click()"
    )
    ready(tab, 120)
    return tab


def ready(tab, seconds=60):
    tab.until("window.hyoid.view && !document.body.dataset.busy && document.querySelector('#message').hidden", seconds)


def click(tab, voxel, **options):
    before = tab.js("window.hyoid.view.revision")
    tab.js(f"window.hyoid.viewer.jump({[int(v) for v in voxel]})")
    tab.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    x, y = tab.voxel_on_screen(voxel)
    tab.click(x, y, **options)
    tab.until(
        f"!document.body.dataset.busy && (window.hyoid.view.revision > {before} "
        "|| !document.querySelector('#message').hidden)"
    )


def middle(patient):
    places = np.argwhere(to_canonical(patient.lesions).array == 1)
    return places[np.linalg.norm(places - places.mean(0), axis=1).argmin()]


def line(tab, key):
    return tab.js(f"document.querySelector('[data-key={key}] .value')?.textContent")


def test_click_report_undo_overrule_accept_export_and_a_killed_server(tabs, server, patient, place):
    tab = open_study(tabs, server)
    click(tab, middle(patient))
    assert tab.js("window.hyoid.view.lesions[0].mask !== null")
    assert "cm in longest dimension" in line(tab, "size_of_the_mass")
    assert tab.js("document.querySelector('[data-key=size_of_the_mass]').classList.contains('changed')")
    painted = """(() => { const c = document.querySelector('#axial'); let n = 0;
        const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < p.length; i += 4) if (p[i] > p[i + 1] + 60) n += 1;
        return n })()"""
    assert tab.js(painted) > 20

    tab.key("z", control=True)
    tab.until("window.hyoid.view.lesions[0].mask === null && !document.body.dataset.busy")
    assert line(tab, "size_of_the_mass") is None
    tab.until(f"{painted} === 0")
    tab.key("y", control=True)
    tab.until("window.hyoid.view.lesions[0].mask !== null && !document.body.dataset.busy")

    tab.key("h")
    tab.js("document.querySelector('[data-key=tonsil] .pencil').click()")
    tab.js(
        "(() => { const f = document.querySelector('[data-key=tonsil] form'); f.querySelector('input').value = "
        "'Involved, right'; f.requestSubmit(); })()"
    )
    tab.until("document.querySelector('[data-key=tonsil] .badge.reader') !== null")
    assert line(tab, "tonsil") == "Involved, right"

    tab.js("window.hyoid.viewer.jump([0, 0, 0])")
    tab.js("document.querySelector('[data-key=size_of_the_mass]').click()")
    slice_index = tab.js("window.hyoid.viewer.cursor[0]")
    assert to_canonical(patient.lesions).array[slice_index].any()

    tab.js("document.activeElement.blur()")
    tab.key("Enter", control=True)
    tab.until("document.querySelector('#accept').textContent === 'Accepted'")
    size = tab.js("import('./api.js').then((api) => api.exportFile(window.hyoid.view.session)).then((b) => b.size)")
    assert size > 10_000

    revision = tab.js("window.hyoid.view.revision")
    server.kill()
    tab.js("document.querySelector('#undo').click()")
    tab.until("document.querySelector('#message').textContent.includes('does not answer')")
    server.start()
    tab.send("Page.reload")
    time.sleep(0.5)
    ready(tab)
    assert tab.js("window.hyoid.view.revision") == revision
    assert line(tab, "size_of_the_mass")
    assert not tab.errors


def test_clicks_on_air_and_outside_are_refused_in_words(tabs, server):
    tab = open_study(tabs, server)
    tab.js("window.hyoid.viewer.jump([5, 2, 2])")
    tab.js("document.querySelector('#axial').focus()")
    tab.key(" ")
    tab.until("document.querySelector('#message').textContent.includes('on air')")
    shape = tab.js("window.hyoid.view.study.shape")
    assert tab.js(f"window.hyoid.viewer.inside({shape})") is False
    assert not tab.errors


def test_two_tabs_on_one_session(tabs, server, patient):
    first = open_study(tabs, server)
    second = tabs(first.js("location.href"))
    ready(second, 90)
    first.key("n")
    first.until("window.hyoid.view.lesions.length === 1 && !document.body.dataset.busy")
    second.key("N", shift=True)
    second.until("document.querySelector('#message').textContent.includes('another window was faster')")
    second.until("window.hyoid.view.lesions.length === 1 && !document.body.dataset.busy")
    assert second.js("window.hyoid.view.lesions.map((l) => l.target)") == ["GTVp"]


def test_keys_scroll_zoom_window_and_measure(tabs, server):
    tab = open_study(tabs, server)
    before = tab.js("window.hyoid.viewer.cursor")
    tab.key("ArrowUp")
    tab.key("PageDown")
    assert tab.js("window.hyoid.viewer.cursor[0]") == before[0] - 4
    tab.key("3")
    assert tab.js("window.hyoid.viewer.window.width") == 2500
    tab.key("+")
    assert tab.js("window.hyoid.viewer.planes[0].zoom") > 1
    tab.key("f")
    box = tab.js(
        "(() => { const b = document.querySelector('#axial').getBoundingClientRect(); return [b.left, b.top] })()"
    )
    x, y = box[0] + 200, box[1] + 200
    tab.wheel(x, y, -100)
    tab.until(f"window.hyoid.viewer.cursor[0] === {before[0] - 3}")
    tab.key("m")
    for kind, at in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
        tab.send("Input.dispatchMouseEvent", type=kind, x=x + at, y=y, button="left", buttons=1, clickCount=1)
    scale = tab.js("window.hyoid.viewer.frame(window.hyoid.viewer.planes[0]).scale / (window.devicePixelRatio || 1)")
    assert tab.js("window.hyoid.viewer.length()") == pytest.approx(60 / scale, abs=3)


def drag(tab, plane, *voxels, modifiers=0):
    """Drag the left button from voxel to voxel, and wait for the answer."""
    before = tab.js("window.hyoid.view.revision")
    at = [tab.voxel_on_screen(voxel, plane) for voxel in voxels]
    send = functools.partial(tab.send, "Input.dispatchMouseEvent", button="left", buttons=1, modifiers=modifiers)
    send(type="mousePressed", x=at[0][0], y=at[0][1], clickCount=1)
    for x, y in at[1:]:
        send(type="mouseMoved", x=x, y=y)
    send(type="mouseReleased", x=at[-1][0], y=at[-1][1], clickCount=1)
    tab.until(
        f"!document.body.dataset.busy && (window.hyoid.view.revision > {before} "
        "|| !document.querySelector('#message').hidden)"
    )


def voxels_of(tab, lesion=0):
    return tab.js(
        f"import('./api.js').then((api) => window.hyoid.view.lesions[{lesion}].mask"
        f" && api.unpackMask(window.hyoid.view.lesions[{lesion}].mask))"
        ".then((m) => m ? m.voxels.reduce((a, b) => a + b) : 0)"
    )


def test_brush_lasso_eraser_fill_split_and_retarget_by_hand(tabs, server, patient):
    tab = open_study(tabs, server)
    i, j, k = (int(v) for v in middle(patient))
    tab.js(f"window.hyoid.viewer.jump([{i}, {j}, {k}])")
    tab.key("n")
    tab.until("window.hyoid.view.lesions.length === 1 && !document.body.dataset.busy")
    tab.key("p")
    drag(tab, "axial", (i, j, k - 6), (i, j, k), (i, j, k + 6))
    painted = voxels_of(tab)
    assert painted > 12
    tab.key("l")
    ring = [(i, j + a, k + b) for a, b in ((-8, -8), (-8, 8), (8, 8), (8, -8))]
    drag(tab, "axial", *ring)
    assert voxels_of(tab) >= 17 * 17 * 0.9
    tab.js(f"window.hyoid.viewer.jump([{i + 3}, {j}, {k}])")
    drag(tab, "axial", *[(i + 3, b, c) for _, b, c in ring])
    filled = voxels_of(tab)
    tab.key("i")
    tab.until("!document.body.dataset.busy")
    tab.until("window.hyoid.view.lesions[0].steps === 4")
    assert voxels_of(tab) > 1.5 * filled
    tab.key("p")
    drag(tab, "sagittal", (i + 6, j - 4, k), (i + 6, j + 4, k))
    assert voxels_of(tab) > 1.5 * filled + 5
    tab.js(f"window.hyoid.viewer.jump([{i}, {j}, {k}])")
    tab.key("d")
    before = voxels_of(tab)
    drag(tab, "axial", (i, j - 10, k), (i, j + 10, k))
    assert 0 < voxels_of(tab) < before
    tab.js("[...document.querySelectorAll('.doings button')].find((b) => b.textContent === 'to GTVn').click()")
    tab.until("window.hyoid.view.lesions[0].target === 'GTVn' && !document.body.dataset.busy")
    assert tab.js("window.hyoid.view.lesions[0].made_by") == "hand"
    assert "outlined" in line(tab, "number_of_nodes")
    tab.js("document.querySelector('#sign').click()")
    tab.until("!document.querySelector('#signature').hidden && !document.body.dataset.busy")
    assert tab.js("document.querySelector('[data-tool=paint]').disabled")
    assert not tab.errors


def test_an_ellipse_tells_mean_and_deviation(tabs, server):
    tab = open_study(tabs, server)
    shape = tab.js("window.hyoid.view.study.shape")
    i, j, k = (n // 2 for n in shape)
    tab.js(f"window.hyoid.viewer.jump([{i}, {j}, {k}])")
    tab.key("o")
    at = [tab.voxel_on_screen(v) for v in ((i, j, k), (i, j + 9, k + 9))]
    for kind, (x, y) in zip(("mousePressed", "mouseMoved", "mouseReleased"), (at[0], at[1], at[1]), strict=True):
        tab.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    said = tab.js("(() => { const v = window.hyoid.viewer; return v.statistics(v.planes[0]) })()")
    assert said[0].startswith("HU ")
    assert "±" in said[0]
    assert said[1].endswith("mm²")


def violations(tab):
    """WCAG 2.2 AA as far as axe can tell: contrast, names, roles."""
    axe = importlib.util.find_spec("axe_playwright_python")
    if axe is None or axe.origin is None:
        pytest.skip("needs axe: pip install --no-deps axe-playwright-python")
    tab.js(Path(axe.origin).with_name("axe.min.js").read_text(encoding="utf-8") + "; 1")
    options = "{ runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] } }"
    return tab.js(
        f"axe.run(document, {options}).then((r) => r.violations.map((v) => `${{v.id}}: ` + "
        "v.nodes.map((n) => n.target + ' ' + (n.any[0]?.message ?? '')).join('; ')))"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible(tabs, server, theme):
    """The list, the work, and a dialog, in both colour schemes."""
    tab = tabs(server.address)
    tab.until("document.querySelectorAll('#studies button').length")

    def wanted():
        if tab.js("document.documentElement.dataset.theme") != theme:
            tab.js("document.querySelector('#theme').click()")

    wanted()
    assert violations(tab) == []
    tab.js("document.querySelector('#studies button').click()")
    ready(tab, 120)
    tab.key("h")
    tab.key("n")
    tab.until("window.hyoid.view.lesions.length === 1 && !document.body.dataset.busy")
    assert violations(tab) == []
    tab.key("?")
    assert violations(tab) == []


class InProcess:
    """The workspace of a pipeline that is a rule, served by a thread of this process."""

    def __init__(self, workspace, folder):
        app = make_app(workspace, Studies(folder, folder / "uploads", 10**9))
        self.server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.02)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        return self

    def __exit__(self, *raised):
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def pair(ball_study, ball_masks, click_network, tmp_path):
    """A pair of MR whose pipeline outlines the first ball; before, both were there, and the scan was brighter."""

    def make(name, scans, on_progress):
        inputs = scan_inputs(scans.study, "MR")
        organs = inputs.organs.array.copy()
        organs[10:18, 10:14, 10:14] = BY_NAME["mandible"].label
        inputs = replace(inputs, organs=inputs.organs.with_array(organs), organ_sources=(ModelUse(name="organs"),))
        first, second = (whole_of(ball_masks[number]) for number in (1, 2))
        earlier = (EarlierLesion("GTVp", first, 9.0, 25.0), EarlierLesion("GTVn", second, 4.0, 20.0))
        before = Volume(ball_study.volume.array + 100, ball_study.volume.geometry, Quantity.MR)
        return Draft(name, inputs, (("GTVp", first),), ModelUse(name="pipeline"), second=before, earlier=earlier)

    studies = tmp_path / "studies"
    studies.mkdir()
    write_nifti(ball_study.volume, studies / "patient.nii.gz")
    workspace = Workspace(
        tmp_path, click_network, lambda key: Scans(ball_study, "MR pair"), lambda scans: Drafter((), make)
    )
    with InProcess(workspace, studies) as running:
        yield running


def test_two_mr_side_by_side_with_what_became_of_every_lesion(tabs, pair):
    tab = open_study(tabs, pair, "patient.nii.gz")
    tab.until("window.hyoid.view.draft.taken && !document.body.dataset.busy")
    tab.until("!document.querySelector('#earlier').hidden")
    assert line(tab, "response_gtvn_1") == "may have vanished: 4.0 ml before"
    # Linked: wheel and zoom over one picture move the other.
    box = tab.js(
        "(() => { const b = document.querySelector('#earlier').getBoundingClientRect(); return [b.x, b.y] })()"
    )
    before = tab.js("window.hyoid.viewer.cursor[0]")
    tab.wheel(box[0] + 60, box[1] + 60, -100)
    tab.until(f"window.hyoid.viewer.cursor[0] === {before + 1}")
    tab.key("+")
    zoom = "window.hyoid.viewer.plane('{}').look.zoom"
    assert tab.js(zoom.format("earlier")) == tab.js(zoom.format("axial")) > 1
    tab.key("f")
    bright = """(() => { const c = document.querySelector('#%s'); let n = 0;
        const p = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < p.length; i += 4) n += p[i]; return n })()"""
    tab.until(f"{bright % 'earlier'} > 100000")
    # The node of before is under the cross: J copies it, and its line follows.
    tab.js("[...document.querySelectorAll('#before button.plain')].find((b) => b.textContent === 'GTVn 1').click()")
    tab.key("g")
    assert tab.js("window.hyoid.viewer.ghosts")
    tab.key("j")
    tab.until("window.hyoid.view.lesions.length === 2 && !document.body.dataset.busy")
    assert tab.js("window.hyoid.view.lesions[1].made_by") == "earlier"
    assert line(tab, "response_gtvn_1").split(":")[0] != "may have vanished"
    assert tab.js("document.querySelector('[data-key=response_gtvn_1]').classList.contains('changed')")
    # An organ is corrected with the brush: it reaches the primary now, and the report says so.
    tab.js("document.querySelector('#layers').open = true")
    tab.key("h")
    mandible = line(tab, "mandible")
    tab.js("document.querySelector('[data-organ]').click()")
    tab.until("!document.querySelector('#correcting').hidden")
    tab.js("window.hyoid.viewer.jump([14, 30, 24])")
    drag(tab, "axial", (14, 12, 12), (14, 30, 24))
    tab.until("window.hyoid.view.drawnOrgans === 1 && !document.body.dataset.busy")
    label = BY_NAME["mandible"].label
    assert tab.js("(() => { const v = window.hyoid.viewer; return v.organs[(14 * 60 + 30) * 70 + 24] })()") == label
    assert line(tab, "mandible") != mandible
    assert violations(tab) == []
    tab.key("z", control=True)
    tab.until("window.hyoid.view.drawnOrgans === 0 && !document.body.dataset.busy")
    assert tab.js("(() => { const v = window.hyoid.viewer; return v.organs[(14 * 60 + 30) * 70 + 24] })()") == 0
    assert line(tab, "mandible") == mandible
    tab.key("Escape")
    assert tab.js("document.querySelector('#correcting').hidden")
    tab.key("c")
    assert tab.js("document.querySelector('#earlier').hidden")
    tab.key("t")
    assert tab.js("window.hyoid.viewer.second.opacity") == 1
    assert violations(tab) == []
    assert not tab.errors


@pytest.mark.slow
def test_a_reader_corrects_the_draft_of_a_virtual_petct_signs_and_exports(tabs, tmp_path):
    options = PhantomOptions(nodes=(2, 2), diameter_mm=(30, 40), wide_hu=False, modalities=("ct", "pet"))
    patient = virtual_patient(np.random.default_rng(3), spacing_mm=(3.0, 2.0, 2.0), options=options)
    (tmp_path / "studies").mkdir()
    write_nifti(patient.ct, tmp_path / "studies" / "P__CT.nii.gz")
    write_nifti(patient.pet, tmp_path / "studies" / "P__PT.nii.gz")
    server = Server(tmp_path / "studies", tmp_path / "data", 8063, "--draft").start()
    try:
        tab = open_study(tabs, server, "P__CT.nii.gz")
        assert tab.js("window.hyoid.viewer.second.unit") == "SUV"
        tab.until("window.hyoid.view.draft.state === 'done' && !document.body.dataset.busy", 1200)
        ready(tab)
        assert tab.js("window.hyoid.view.draft.taken")
        assert tab.js("window.hyoid.view.lesions.every((l) => l.made_by === 'draft')")
        tab.key("N", shift=True)
        tab.until("!document.body.dataset.busy && window.hyoid.view.lesions.at(-1).made_by === 'nobody'")
        node = np.argwhere(to_canonical(patient.lesions).array == 2)[0]
        click(tab, node)
        tab.until("!window.hyoid.view.pending && !document.body.dataset.busy", 240)
        times = []
        for step in range(6):
            click(tab, (node[0], node[1], node[2] + step % 3))
            times.append(float(tab.js("document.body.dataset.lastMs") or 0))
        print(f"clicks to the redrawn page: {sorted(times)} ms")
        tab.js("document.querySelector('#sign').click()")
        tab.until("!document.querySelector('#signature').hidden && !document.body.dataset.busy", 240)
        size = tab.js("import('./api.js').then((api) => api.exportFile(window.hyoid.view.session)).then((b) => b.size)")
        assert size > 10_000
        revision = tab.js("window.hyoid.view.revision")
        server.kill()
        server.start()
        tab.send("Page.reload")
        time.sleep(0.5)
        ready(tab, 120)
        assert tab.js("window.hyoid.view.revision") == revision
        assert tab.js("window.hyoid.view.signed.version") == 1
        assert not tab.errors
    finally:
        if server.process is not None:
            server.kill()


@pytest.mark.shared
def test_a_real_study_from_dicom(tabs, shared_data, tmp_path):
    server = Server(shared_data / "dicom" / "openkbp_pt_201_128.zip", tmp_path, 8062).start()
    try:
        tab = open_study(tabs, server, "openkbp_pt_201_128.zip")
        shape = tab.js("window.hyoid.view.study.shape")
        click(tab, [shape[0] // 2, shape[1] // 2, shape[2] // 2])
        assert tab.js("window.hyoid.view.revision") >= 1
        assert not tab.errors
    finally:
        server.kill()
