"""The page in a real Chromium: `pytest -m browser`."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from hyoid.geometry.orientation import to_canonical
from hyoid.io.files.volumes import write_nifti

sys.path.insert(0, str(Path(__file__).parent))
import chromium

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.binary() is None, reason="needs a Chromium")]


TOKEN = "token-of-the-tests"


class Server:
    """`hyoid serve` in a process of its own."""

    def __init__(self, studies, data, port):
        self.arguments = ["serve", str(studies), "--port", str(port), "--data", str(data), "--no-draft"]
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
