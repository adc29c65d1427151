// The page: what the reader does, what the server answers, and which of them is newer.

import * as api from "./api.js";
import { drawLesions, drawReport } from "./report.js";
import { Solid } from "./solid.js";
import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
let view = null;     // what the server said last
let chosen = 0;      // lesion that clicks belong to
let busy = Promise.resolve();
const masks = new Map();   // lesion -> { bits, mask }

const viewer = new Viewer(
  { axial: $("axial"), coronal: $("coronal"), sagittal: $("sagittal") },
  { click: (voxel, kind) => clicked(voxel, kind), box: (from, to, across) => boxed(from, to, across) },
);
const solid = new Solid($("solid"));

function say(problem, cure = "", note = false) {
  $("message").textContent = cure ? `${problem} ${cure}` : problem;
  $("message").classList.toggle("note", note);
  $("message").hidden = !problem;
}

// One change at a time, in the order of the reader's hands; a refusal is said and changes nothing.
function inTurn(work) {
  busy = busy.then(async () => {
    document.body.dataset.busy = "yes";
    try {
      await work();
    } catch (error) {
      if (error.status === 409) {
        say(error.problem, error.cure, true);
        await show(await api.look(view.session));
      } else {
        say(error.problem ?? String(error), error.cure);
      }
    } finally {
      document.body.dataset.busy = "";
    }
  });
  return busy;
}

const change = (action) => inTurn(async () => {
  const began = performance.now();
  await show(await api.act(view.session, view.revision, action));
  say("");
  requestAnimationFrame(() => { document.body.dataset.lastMs = (performance.now() - began).toFixed(0); });
});

async function show(answer) {
  view = { ...view, ...answer };
  for (const lesion of view.lesions) {
    if (!lesion.mask) masks.delete(lesion.number);
    else if (masks.get(lesion.number)?.bits !== lesion.mask.bits) {
      masks.set(lesion.number, { bits: lesion.mask.bits, mask: await api.unpackMask(lesion.mask) });
    }
  }
  const numbers = view.lesions.map((lesion) => lesion.number);
  for (const number of masks.keys()) if (!numbers.includes(number)) masks.delete(number);
  if (!numbers.includes(chosen)) chosen = numbers.at(-1) ?? 0;
  draw();
}

function draw() {
  const painted = view.lesions.filter((lesion) => masks.has(lesion.number)).map((lesion) => ({
    ...masks.get(lesion.number).mask, rgb: view.study.colours[lesion.target], chosen: lesion.number === chosen,
  }));
  const points = view.lesions.filter((lesion) => lesion.number === chosen).flatMap((lesion) => lesion.prompts
    .filter((p) => p.kind !== "box").map((p) => ({ voxel: p.point_ijk, kind: p.kind })));
  viewer.setMasks(painted, points);
  solid.show(painted, view.study.spacing_mm);
  drawLesions($("lesions"), view, chosen, {
    onChoose: (number, voxel) => {
      chosen = number;
      const mask = masks.get(number)?.mask;
      if (voxel) viewer.jump(voxel);
      else if (mask) viewer.jump(mask.start.map((s, a) => Math.floor((s + mask.stop[a] - 1) / 2)));
      draw();
    },
    onNew: (target) => newLesion(target),
    onDrop: (number) => change({ do: "drop", lesion: number }),
  });
  $("summary").textContent = view.report.summary;
  $("warnings").replaceChildren(...view.report.warnings.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  $("statement-work").textContent = view.report.statement;
  $("organs").textContent = { waiting: "Outlining organs …", done: "Organs outlined", refused: "No organs", off: "" }[view.organs];
  drawReport($("report"), view, {
    showMissing: $("missing").checked,
    onJump: (voxel) => viewer.jump(voxel),
    onOverrule: (key, value) => change({ do: "overrule", key, value }),
  });
  $("undo").disabled = !view.can_undo;
  $("redo").disabled = !view.can_redo;
  $("accept").classList.toggle("on", view.accepted);
  $("accept").textContent = view.accepted ? "Accepted" : "Accept";
  document.body.dataset.revision = view.revision;
}

function newLesion(target) {
  tool("add");
  return change({ do: "lesion", target }).then(() => { chosen = view.lesions.at(-1)?.number ?? chosen; draw(); });
}

async function clicked(voxel, kind) {
  if (!viewer.inside(voxel)) { say("That click is outside the scan.", "Click inside the picture."); return; }
  if (!view.lesions.length && kind === "add") await newLesion("GTVp");
  if (!chosen) { say("There is no lesion to change.", "Press N and click on one."); return; }
  viewer.jump(voxel);
  await change({ do: "prompt", lesion: chosen, kind, point_ijk: voxel });
}

async function boxed(from, to, across) {
  // A box is drawn in one plane; across it, it is as deep as it is wide on average.
  const { shape, spacing_mm: mm } = view.study;
  const edges = [0, 1, 2].filter((a) => a !== across).map((a) => Math.abs(to[a] - from[a]) * mm[a]);
  const half = Math.max(1, Math.round((edges[0] + edges[1]) / 4 / mm[across]));
  const low = from.map((v, a) => (a === across ? Math.max(0, v - half) : Math.min(v, to[a])));
  const high = from.map((v, a) => (a === across ? Math.min(shape[a] - 1, v + half) : Math.max(v, to[a])));
  const open = view.lesions.find((lesion) => lesion.number === chosen);
  if (!open || open.prompts.length) await newLesion(open?.target ?? "GTVp");
  await change({ do: "prompt", lesion: chosen, kind: "box", point_ijk: low, to_ijk: high });
}

function tool(name) {
  viewer.tool = name;
  for (const button of document.querySelectorAll("[data-tool]")) button.classList.toggle("on", button.dataset.tool === name);
}

function chooseWindow(index) {
  const windows = view?.study.windows ?? [];
  if (!windows[index]) return;
  $("window").selectedIndex = index;
  viewer.setWindow(windows[index]);
}

async function open(answer) {
  say("Loading the pictures …", "", true);
  const voxels = await api.image(answer.session);
  history.replaceState(null, "", `#session=${answer.session}`);
  view = null;
  chosen = 0;
  masks.clear();
  $("start").hidden = true;
  $("work").hidden = $("tools").hidden = false;
  $("window").replaceChildren(...answer.study.windows.map((w) => new Option(`${w.name} (${Math.round(w.width)} / ${Math.round(w.centre)})`)));
  viewer.show(answer.study, voxels);
  await show(answer);
  const first = view.report.lesions[0];
  if (first) viewer.jump(first.voxel);
  tool(view.lesions.length ? "look" : "add");
  say("");
  $("axial").focus();
}

async function start() {
  view = null;
  $("start").hidden = false;
  $("work").hidden = $("tools").hidden = true;
  history.replaceState(null, "", location.pathname);
  const [about, studies, sessions] = await Promise.all([api.about(), api.studies(), api.sessions()]);
  $("statement").textContent = `${about.statement} Interactive model: ${about.model}, trained on ${about.trained_on}.`;
  const rows = (items, words, act) => items.map((item) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.textContent = words(item);
    button.addEventListener("click", () => { say("Reading the study …", "", true); inTurn(() => act(item)); });
    row.append(button);
    return row;
  });
  $("studies").replaceChildren(...rows(studies, (s) => s.name, async (s) => open(await api.begin(s.key))));
  $("sessions").replaceChildren(...rows(
    sessions,
    (s) => `${s.name || "a study that is not here"}: ${s.lesions} lesion(s), ${s.clicks} click(s)${s.accepted ? ", accepted" : ""}`,
    async (s) => open(await api.look(s.session)),
  ));
}

const send = (file) => inTurn(async () => {
  const { largest_upload_bytes: most } = await api.about();
  if (file.size > most) {
    throw new api.Refusal(413, {
      problem: `The file has ${(file.size / 2 ** 30).toFixed(1)} GiB; this server takes ${(most / 2 ** 30).toFixed(1)} GiB.`,
      cure: "Start hyoid serve with the folder that holds it.",
    });
  }
  $("sending").hidden = false;
  try {
    const study = await api.upload(file, (part) => { $("sending").value = part; });
    say("Reading the study …", "", true);
    await open(await api.begin(study.key));
  } finally {
    $("sending").hidden = true;
  }
});

async function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await api.exportFile(view.session));
  link.download = "hyoid-export.zip";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say("Exported: report, masks, DICOM SEG and RTSTRUCT, session.", "", true);
}

const KEYS = [
  ["V A X B M", "view, add, remove, box, measure"],
  ["N, Shift-N", "new primary, new node"],
  ["[ ]", "lesion before, lesion after"],
  ["Up Down, PgUp PgDn", "one slice, five slices"],
  ["Left Right", "one column; with Shift one row"],
  ["1 … 6", "windows, in the order of the list"],
  ["+ − F", "zoom in, zoom out, fit"],
  ["Ctrl-Z Ctrl-Y", "undo, redo"],
  ["H", "show lines that are Missing"],
  ["Space", "add at the cross; with Shift remove"],
  ["Ctrl-Enter", "accept the report"],
  ["E", "export"],
  ["Mouse", "wheel: slices (Ctrl: zoom); right drag: window; Alt or middle drag: move; Shift or right click: remove"],
];

function key(event) {
  if (!view || event.target.closest("input, select, dialog[open]")) return;
  const control = event.ctrlKey || event.metaKey;
  const cursor = [...viewer.cursor];
  const move = (axis, by) => { cursor[axis] += by; viewer.jump(cursor); };
  const actions = control ? {
    z: () => (event.shiftKey ? $("redo") : $("undo")).click(),
    y: () => $("redo").click(),
    Enter: () => $("accept").click(),
  } : {
    v: () => tool("look"), a: () => tool("add"), x: () => tool("remove"), b: () => tool("box"), m: () => tool("measure"),
    n: () => newLesion("GTVp"), N: () => newLesion("GTVn"),
    "[": () => next(-1), "]": () => next(1),
    ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1), PageUp: () => move(0, 5), PageDown: () => move(0, -5),
    ArrowLeft: () => move(event.shiftKey ? 1 : 2, -1), ArrowRight: () => move(event.shiftKey ? 1 : 2, 1),
    "+": () => viewer.zoom(1.2), "=": () => viewer.zoom(1.2), "-": () => viewer.zoom(1 / 1.2), f: () => viewer.fit(),
    h: () => $("missing").click(), e: () => $("export").click(), "?": () => $("help").showModal(),
    " ": () => clicked(viewer.cursor, event.shiftKey ? "remove" : "add"),
  };
  const act = actions[event.key] ?? (!control && /^[1-6]$/.test(event.key) ? () => chooseWindow(Number(event.key) - 1) : null);
  if (act && !(event.key === " " && event.target.closest("button"))) { event.preventDefault(); act(); }
}

function next(by) {
  const numbers = view.lesions.map((lesion) => lesion.number);
  if (!numbers.length) return;
  chosen = numbers[(numbers.indexOf(chosen) + by + numbers.length) % numbers.length];
  draw();
}

document.addEventListener("keydown", key);
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => tool(button.dataset.tool));
$("undo").addEventListener("click", () => inTurn(async () => { await show(await api.undo(view.session, view.revision)); say(""); }));
$("redo").addEventListener("click", () => inTurn(async () => { await show(await api.redo(view.session, view.revision)); say(""); }));
$("accept").addEventListener("click", () => change({ do: "accept" }));
$("export").addEventListener("click", () => inTurn(save));
$("close").addEventListener("click", () => inTurn(start));
$("fit").addEventListener("click", () => viewer.fit());
$("window").addEventListener("change", () => { chooseWindow($("window").selectedIndex); $("axial").focus(); });
$("missing").addEventListener("change", () => view && draw());
$("help-button").addEventListener("click", () => $("help").showModal());
$("keys").replaceChildren(...KEYS.flatMap(([keys, words]) => [
  Object.assign(document.createElement("dt"), { textContent: keys }), Object.assign(document.createElement("dd"), { textContent: words }),
]));
$("file").addEventListener("change", (event) => event.target.files[0] && send(event.target.files[0]));
document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files.length > 1) say("One file at a time.", "Pack a DICOM series into a zip first.");
  else if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
});
// Organs are outlined in the background; the report grows when they are there.
setInterval(() => {
  if (view?.organs === "waiting" && !document.body.dataset.busy) inTurn(async () => { await show(await api.look(view.session)); });
}, 4000);

inTurn(async () => {
  const session = new URLSearchParams(location.hash.slice(1)).get("session");
  if (session) {
    try { await open(await api.look(session)); return; } catch (error) { say(error.problem, error.cure); }
  }
  await start();
});
window.hyoid = { viewer, get view() { return view; } };
