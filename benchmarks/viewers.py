"""The page's own canvas against NiiVue, in a Chromium: `python benchmarks/viewers.py ADDRESS STUDY [--repeats 10]`.

ADDRESS is what `hyoid serve` printed, STUDY a name in its list. Measured is what follows a click once the answer is
there: one lesion's mask has changed, three planes are drawn again, with PET and organs where the study has them. The
machine's graphics card counts for NiiVue, so figures are to be read beside the browser that made them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "interfaces" / "web"))
import chromium

OWN = """(() => { const v = window.hyoid.viewer, began = performance.now();
  v.cursor[0] += NUMBER % 2 ? 1 : -1;
  for (const plane of v.planes) v.drawPlane(plane);
  for (const plane of v.planes) plane.canvas.getContext('2d').getImageData(0, 0, 1, 1);
  return performance.now() - began; })()"""
BEGIN = """(async () => { document.querySelector('#volume-button').click(); await window.hyoid.volumeDrawn;
  const { nv } = window.hyoid.volume; nv.setSliceType(nv.sliceTypeMultiplanar);
  return nv.gl.getParameter(nv.gl.RENDERER); })()"""
NIIVUE = """(() => { const { nv } = window.hyoid.volume, { gl } = nv, began = performance.now();
  nv.volumes[1].img[NUMBER] = 1 - nv.volumes[1].img[NUMBER];
  nv.updateGLVolume();
  nv.drawScene();
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return performance.now() - began; })()"""


def main() -> None:
    """Open the study once, and measure both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("address")
    parser.add_argument("study")
    parser.add_argument("--repeats", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as profile, chromium.browser(profile) as new_tab:
        tab = new_tab(asked.address)
        tab.until("document.querySelectorAll('#studies button').length")
        tab.js(
            "[...document.querySelectorAll('#studies .name')]"
            f".find((n) => n.textContent === {json.dumps(asked.study)}).closest('button').click()"
        )
        tab.until("window.hyoid.view && !document.body.dataset.busy && document.querySelector('#message').hidden")
        tab.until("!['waiting', 'working'].includes(window.hyoid.view.draft.state)", 1200)
        tab.js("for (const { label } of window.hyoid.view.study.layers.organs) window.hyoid.viewer.visible[label] = 1")
        print(f"{tab.js('window.hyoid.view.study.shape')} voxels")
        for name, begin, once in (("own canvas", "''", OWN), ("NiiVue", BEGIN, NIIVUE)):
            began = time.monotonic()
            renderer, took = tab.js(begin), time.monotonic() - began
            times = [tab.js(once.replace("NUMBER", str(n))) for n in range(asked.repeats)]
            print(f"{name}: median {statistics.median(times):.0f} ms, highest {max(times):.0f} ms of {len(times)}")
            if renderer:
                print(f"  {renderer}; {took:.1f} s until its first picture")


if __name__ == "__main__":
    main()
