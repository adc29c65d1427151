"""The node's fault table, run for real, and 200 studies at once.

    python benchmarks/node.py [--only kills,peer_down,...] [--kills 50] [--out FILE]

A sender, the node (`hyoid node`, a process of its own) and a receiver talk DICOM over loopback. A stand-in that copies
one object under a new, derived UID takes the place of hyoid's networks: what is measured is the node. Counted at the
receiver: `lost`, studies whose result never came; `doubled`, objects that were sent again. A full disk needs the right
to mount a tmpfs.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import yaml
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

NODE = [sys.executable, "-c", "from hyoid.interfaces.cli.main import main; main()", "node"]
# Standard library alone, so that 200 runs cost little. Too few objects are refused, as hyoid refuses a gap.
STAND_IN = """
import hashlib, pathlib, sys, os, time
study, out = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4])
log, slices, seconds = sys.argv[-3], int(sys.argv[-2]), float(sys.argv[-1])
files = sorted(p.read_bytes() for p in study.iterdir())
with open(log, "a") as file: file.write(hashlib.sha256(b"".join(files)).hexdigest() + "\\n")
if len(files) < slices:
    sys.stderr.write("Input refused: A slice is missing.\\n"); sys.exit(3)
time.sleep(seconds)
tag = b"\\x08\\x00\\x18\\x00UI"
at = files[0].index(tag) + 8
length = int.from_bytes(files[0][at - 2:at], "little")
uid = files[0][at:at + length]
digits = str(int(hashlib.sha256(uid).hexdigest(), 16))
new = (b"2.25.1" + digits.encode() * 2)[:len(uid.rstrip(b"\\0"))].ljust(length, b"\\0")
out.mkdir()
(out / "seg.dcm").write_bytes(files[0].replace(uid, new))
(out / "run.json").write_text("{}")
"""


def slice_of(study: int, number: int, size: int = 64) -> Dataset:
    """One slice of an invented study."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["object", str(study), str(number)])
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(study)])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(study)])
    dataset.PatientID, dataset.PatientName = f"p{study}", "Invented"
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.PixelData = bytes(2 * size * size)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


class Receiver:
    """The archive that results go to: counts every object, and answers whether it has one."""

    def __init__(self) -> None:
        self.objects: Counter[str] = Counter()
        self.answer_s = 0.0  # from the arrival of an object to the answer
        entity = AE("ARCHIVE")
        entity.add_supported_context(CTImageStorage)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        self._entity, self._server, self.port = entity, None, 0
        self.start()

    def start(self) -> None:
        """Listen, at the port of before."""
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        self._server = self._entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        """Listen no longer."""
        self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        self.objects[str(event.request.AffectedSOPInstanceUID)] += 1
        time.sleep(self.answer_s)
        return 0x0000

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        if str(event.identifier.SOPInstanceUID) in self.objects:
            yield 0xFF00, event.identifier
        yield 0x0000, None

    @property
    def doubled(self) -> int:
        """Objects that came again."""
        return sum(count - 1 for count in self.objects.values())


class Bench:
    """One node with its folder, a sender and a receiver."""

    def __init__(self, folder: Path, *, slices: int = 5, seconds: float = 0.0, state: Path | None = None) -> None:
        self.folder, self.slices, self.receiver = folder, slices, Receiver()
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "stand_in.py").write_text(STAND_IN)
        self.ports = [self._free_port() for _ in range(2)]
        for number, port in enumerate(self.ports):
            content = {
                "state": str(state or folder / "state"),
                "dicom": {"host": "127.0.0.1", "port": port},
                "rules": [{"name": "ct", "when": {"modality": "CT"}, "job": "report", "to": ["archive"],
                           "options": [str(folder / "runs"), str(slices), str(seconds)]}],
                "destinations": {"archive": {"kind": "dicom", "ae_title": "ARCHIVE", "host": "127.0.0.1",
                                             "port": self.receiver.port, "timeout_s": 10}},
                "limits": {"quiet_s": 1.0, "retry_s": 1.0, "longest_retry_s": 5.0, "lease_s": 5.0, "free_gb": 0,
                           "interruptions": 1000, "jobs": 1},
                "command": [sys.executable, "-I", "-S", str(folder / "stand_in.py")],
            }  # fmt: skip
            (folder / f"node{number}.yaml").write_text(yaml.safe_dump(content))

    @staticmethod
    def _free_port() -> int:
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def begin(self, number: int = 0) -> subprocess.Popen[bytes]:
        """Begin a node."""
        with (self.folder / "node.log").open("ab") as log:
            process = subprocess.Popen([*NODE, str(self.folder / f"node{number}.yaml")], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
        self.receiver.stop()

    def status(self) -> dict:
        """Read the ledger, as `hyoid node status` does, without the start of a process."""
        from hyoid.interfaces.node.config import read_config
        from hyoid.interfaces.node.ledger.ledger import LEDGER_FILE, Ledger

        ledger = Ledger(read_config(self.folder / "node0.yaml").state / LEDGER_FILE, time.time)
        try:
            return ledger.summary()
        finally:
            ledger.close()

    def send(self, studies: Iterable[int], *, node: int = 0, but: tuple[int, ...] = ()) -> int:
        """Send studies without some slices, each object until the node has it; counts the further attempts."""
        entity, again = AE("CT1"), 0
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        for study in studies:
            left = [slice_of(study, n) for n in range(self.slices) if n not in but]
            while left:
                association = entity.associate("127.0.0.1", self.ports[node], ae_title="HYOID")
                while left and association.is_established:
                    try:
                        status = association.send_c_store(left[0])
                    except (RuntimeError, ValueError):
                        break
                    if getattr(status, "Status", None) != 0x0000:
                        break
                    left.pop(0)
                if association.is_established:
                    association.release()
                if left:
                    again += 1
                    time.sleep(0.2)
        return again

    def wait(self, sent: int, seconds: float = 300) -> None:
        """Wait until so many jobs are sent."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self.status()["jobs"]["sent"] >= sent:
                    return
            except Exception:  # the node has not made it yet
                pass
            time.sleep(0.3)

    def beginnings(self) -> int:
        """Count how often a node has begun to listen."""
        events = self.folder / "state" / "events.jsonl"
        return events.read_text().count('"node began"') if events.exists() else 0

    def result(self, studies: int) -> dict[str, object]:
        """Count what came of so many studies."""
        runs = Counter((self.folder / "runs").read_text().split())
        jobs = {state: count for state, count in self.status()["jobs"].items() if count}
        return {
            "studies": studies, "lost": studies - len(self.receiver.objects), "doubled": self.receiver.doubled,
            "runs_begun": sum(runs.values()), "jobs": jobs,
        }  # fmt: skip


@contextmanager
def bench(**options: object) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(Path(folder), **options)
        try:
            yield made
        finally:
            made.end()


def kills(count: int, seed: int) -> dict[str, object]:
    """kill -9 at random moments while studies arrive, run and are sent; every fifth while the node begins."""
    random_moment, done = random.Random(seed), 0

    def studies() -> Iterator[int]:
        for number in range(count):
            while number > done:  # one more for each kill
                time.sleep(0.1)
            yield number

    with bench(seconds=0.5) as b:
        b.receiver.answer_s = 0.5
        sender = Thread(target=b.send, args=(studies(),))
        sender.start()
        moments = Counter()
        for number in range(count):
            before, process = b.beginnings(), b.begin()
            while number % 5 and b.beginnings() == before and process.poll() is None:
                time.sleep(0.1)
            time.sleep(random_moment.uniform(0.0, 4.0))
            now = b.status() if b.beginnings() else {"jobs": {"running": 0, "sending": 0}, "studies": {}}
            moments["while a job ran"] += now["jobs"]["running"] > 0
            moments["while something was to be sent"] += now["jobs"]["sending"] > 0
            moments["while a study arrived"] += now["studies"].get("receiving", 0) > 0
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            done += 1
        b.begin()
        sender.join()
        b.wait(count)
        return b.result(count) | {"kills": count, "moments": dict(moments)}


def peer_down() -> dict[str, object]:
    """The archive is gone for 15 s while results wait."""
    with bench() as b:
        b.begin()
        b.receiver.stop()
        b.send(range(10))
        time.sleep(15)
        down = b.status()["unreached"]
        b.receiver.start()
        b.wait(10)
        return b.result(10) | {"seen_as": down[0]["reason"] if down else ""}


def disk_full() -> dict[str, object]:
    """The disk of the state folder is filled to the last byte for 10 s while studies arrive, then has room again."""
    with tempfile.TemporaryDirectory() as disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk], check=True)
        try:
            with bench(state=Path(disk) / "state") as b:
                b.begin()
                b.send(range(5))
                filler = Path(disk) / "filler"
                try:
                    with filler.open("wb", buffering=0) as file:
                        while True:
                            file.write(bytes(65536))
                except OSError:
                    pass
                answers: list[int] = []
                sender = Thread(target=lambda: answers.append(b.send(range(5, 15))))
                sender.start()
                time.sleep(10)
                filler.unlink()
                sender.join()
                b.wait(15)
                events = (Path(disk) / "state" / "events.jsonl").read_text()
                return b.result(15) | {"refused_and_sent_again": answers[0], "told": events.count("disk full")}
        finally:
            subprocess.run(["umount", "-l", disk], check=False)


def damage() -> dict[str, object]:
    """One object of a study ends too early; the study comes again whole."""
    with bench() as b:
        b.begin()

        b.send([0], but=(2,))
        bad = slice_of(0, 2)
        buffer = io.BytesIO()
        bad.save_as(buffer, enforce_file_format=True)
        whole = buffer.getvalue()
        cut = Path(b.folder) / "cut.dcm"
        cut.write_bytes(whole[: len(whole) - 500])
        answer = _send_raw(b.ports[0], cut)
        deadline = time.monotonic() + 60
        while b.status()["jobs"]["quarantined"] < 1 and time.monotonic() < deadline:
            time.sleep(0.3)
        held = b.status()
        b.send([0])
        b.wait(1)
        return b.result(1) | {"answer": answer, "quarantined_first": held["jobs"]["quarantined"],
                              "unreadable": held["unreadable_objects"]}  # fmt: skip


def _send_raw(port: int, path: Path) -> str:
    """Send a file's bytes as they are."""
    from pynetdicom import _config

    entity = AE("CT1")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="HYOID")
    _config.STORE_SEND_CHUNKED_DATASET = True
    try:
        status = association.send_c_store(path)
    finally:
        _config.STORE_SEND_CHUNKED_DATASET = False
        association.release()
    return f"0x{status.Status:04X}"


def twice() -> dict[str, object]:
    """Every study is sent three times, the last time after its scans were deleted."""
    with bench() as b:
        b.begin()
        b.send(range(5))
        b.send(range(5))
        b.wait(5)
        b.send(range(5))
        time.sleep(5)
        return b.result(5)


def two_nodes() -> dict[str, object]:
    """Two nodes on one ledger; one is killed in the middle and not begun again."""
    with bench(seconds=0.5) as b:
        first, _ = b.begin(0), b.begin(1)
        senders = [Thread(target=b.send, args=(range(k * 10, k * 10 + 10),), kwargs={"node": k}) for k in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        time.sleep(2)
        os.kill(first.pid, signal.SIGKILL)
        b.wait(20)
        return b.result(20)


def throughput() -> dict[str, object]:
    """200 studies of ten slices, queued at once, against the bare command one after the other."""
    studies = 200
    with bench(slices=10) as b:
        process = b.begin()
        began = time.perf_counter()
        b.send(range(studies))
        received = time.perf_counter() - began
        peak = 0
        while b.status()["jobs"]["sent"] < studies and time.perf_counter() - began < 900:
            peak = max(peak, _resident(process.pid))
            time.sleep(0.5)
        total = time.perf_counter() - began
        study = b.folder / "bare"
        study.mkdir()
        for number in range(10):
            slice_of(0, number).save_as(study / f"{number}.dcm", enforce_file_format=True)
        began = time.perf_counter()
        for number in range(20):
            command = [sys.executable, "-I", "-S", b.folder / "stand_in.py", "report", study, "--out"]
            subprocess.run(
                [*command, b.folder / f"out{number}", "--json", b.folder / "bare_runs", "10", "0"], check=True
            )
        bare = (time.perf_counter() - began) / 20
        return b.result(studies) | {
            "seconds_to_receive": round(received, 1), "seconds_in_all": round(total, 1),
            "node_seconds_a_study": round(total / studies, 3), "bare_seconds_a_study": round(bare, 3),
            "node_memory_mb": round(peak / 1024**2),
        }  # fmt: skip


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Names of parts, separated by commas.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=5, help="Of the moments of the kills.")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "kills": lambda: kills(asked.kills, asked.seed), "peer_down": peer_down, "disk_full": disk_full,
        "damage": damage, "twice": twice, "two_nodes": two_nodes, "throughput": throughput,
    }  # fmt: skip
    chosen = asked.only.split(",") if asked.only else list(parts)
    found = {}
    for name in chosen:
        began = time.perf_counter()
        found[name] = parts[name]() | {"seconds": round(time.perf_counter() - began)}
        print(name, json.dumps(found[name]), flush=True)
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
