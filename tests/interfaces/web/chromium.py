"""A Chromium without a window, driven by its own protocol (no driver program is needed)."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

from websockets.sync.client import connect

BINARIES = ("chromium", "chromium-browser", "google-chrome")


def binary():
    return next((found for name in BINARIES if (found := shutil.which(name))), None)


class Tab:
    """One page."""

    def __init__(self, address, open_until):
        self.socket = open_until.enter_context(connect(address, max_size=None))
        self.count = 0
        self.errors = []
        self.send("Page.enable")
        self.send("Runtime.enable")

    def send(self, method, **parameters):
        self.count += 1
        number = self.count
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=180))
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"].get("text", ""))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def go(self, address):
        self.send("Page.navigate", url=address)

    def js(self, expression):
        result = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "error in the page"))
        return result["result"].get("value")

    def until(self, expression, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = self.js(f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()")
            except RuntimeError:
                value = None  # the page is being loaded
            if value:
                return value
            time.sleep(0.05)
        said = self.js("document.querySelector('#message')?.textContent")
        raise AssertionError(f"did not happen in {seconds} s: {expression}; message {said!r}; errors {self.errors}")

    def click(self, x, y, *, button="left", modifiers=0):
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1, modifiers=modifiers)

    def wheel(self, x, y, delta):
        self.send("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta)

    def key(self, key, *, control=False, shift=False):
        modifiers = (2 if control else 0) + (8 if shift else 0)
        text = {} if control or len(key) > 1 else {"text": key}
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, modifiers=modifiers, **(text if kind == "keyDown" else {})
            )

    def picture(self, path):
        data = self.send("Page.captureScreenshot", format="png")["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def voxel_on_screen(self, voxel, plane="axial"):
        """Where a voxel lies in the window."""
        return self.js(
            f"""(() => {{ const v = window.hyoid.viewer, p = v.planes.find((p) => p.name === "{plane}");
            const at = v.toCanvas(p, {json.dumps(list(map(int, voxel)))}), box = p.canvas.getBoundingClientRect();
            const r = window.devicePixelRatio || 1; return [box.left + at.x / r, box.top + at.y / r]; }})()"""
        )


@contextmanager
def browser(profile, size=(1500, 950)):
    """Tabs of a fresh Chromium: call what is given to open one."""
    process = subprocess.Popen(
        [
            binary(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--enable-unsafe-swiftshader",  # WebGL without a graphics card
            "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}", "--hide-scrollbars", "about:blank",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    open_until = ExitStack()
    try:
        port_file = Path(profile) / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not port_file.is_file() or not port_file.read_text().strip():
            assert time.monotonic() < end and process.poll() is None, "Chromium did not start"
            time.sleep(0.1)
        port = port_file.read_text().split()[0]

        def new_tab(address):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?about:blank", method="PUT")
            with urllib.request.urlopen(request, timeout=30) as answer:
                tab = Tab(json.load(answer)["webSocketDebuggerUrl"], open_until)
            tab.go(address)
            return tab

        yield new_tab
    finally:
        open_until.close()
        process.terminate()
        process.wait(timeout=30)
