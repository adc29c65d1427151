// The page: what the reader does, what the server answers, and which of them is newer.

import * as api from "./api.js";
import { drawLayers } from "./layers.js";
import { drawBefore, drawLesions, drawReport } from "./report.js";
import { Solid } from "./solid.js";
import { drawHistory, drawSessions, drawSignature, drawStaging, drawStudies } from "./side.js";
import { KEYS, keyActions } from "./keys.js";
import { Viewer } from "./viewer.js";
import { VolumeView } from "./volume.js";

const $ = (id) => document.getElementById(id);
const TOOLS_OF_CHANGE = ["add", "remove", "scribble", "box", "paint", "erase", "enclose"];
let view = null;     // what the server said last
let about = {};
let chosen = 0;      // lesion that work belongs to
let busy = Promise.resolve();
let declined = "";   // session whose draft the reader undid
const masks = new Map();   // lesion -> { bits, mask }

const viewer = new Viewer(
  { axial: $("axial"), coronal: $("coronal"), sagittal: $("sagittal"), earlier: $("earlier") },
  {
    click: (voxel, kind) => clicked(voxel, kind),
    box: (from, to, across) => boxed(from, to, across),
    stroke: (stroke) => stroked(stroke),
    hover: (words) => { $("readout").textContent = words; },
  },
);
const solid = new Solid($("solid"));
const volume = new VolumeView($("volume"));
let inVolume = false;

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
      viewer.stroke = null;
      viewer.draw();
      document.body.dataset.busy = "";
    }
  });
  return busy;
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// While the server is away a change waits in this page, and is sent when the server is back.
async function sent(action) {
  for (;;) {
    try {
      return await api.act(view.session, view.revision, action);
    } catch (error) {
      if (error.status !== 0) throw error;
      say("The server does not answer.", "Your last change waits in this page and is sent when the server is back.");
      await pause(1500);
    }
  }
}

const change = (action) => inTurn(async () => {
  const began = performance.now();
  await show(await sent(action));
  say("");
  requestAnimationFrame(() => { document.body.dataset.lastMs = (performance.now() - began).toFixed(0); });
});

async function show(answer) {
  const before = view?.draft?.state, carried = view?.carry?.name;
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
  viewer.stroke = null;
  if (view.drawnOrgans !== undefined && view.organ_strokes !== view.drawnOrgans) {
    await correctOrgans();
    layerList();
  }
  draw();
  // What the draft brought is fetched once: organs, registered image, and its lesions.
  if (before && before !== "done" && view.draft.state === "done") await drafted();
  else if (carried !== undefined && carried !== view.carry.name) await carriedOver();
}

// The earlier scan has come, or gone: image and outlines are fetched once.
async function carriedOver() {
  view = { ...view, ...(await api.look(view.session)) };
  await pictures();
  draw();
}

async function drafted() {
  const whole = await api.look(view.session);
  view = { ...view, ...whole };
  await pictures();
  if (view.draft.lesions && !view.draft.taken && view.signed.open && editable() && declined !== view.session) {
    await show(await api.takeDraft(view.session, view.revision));
    say(`The pipeline outlined ${view.draft.lesions} lesion(s): correct them like your own.`, "", true);
  }
  draw();
}

async function pictures() {
  const { second, layers, earlier } = view.study;
  if (second) viewer.setSecond(second, await api.second(view.session));
  else viewer.second = null;
  viewer.earlierMasks = await Promise.all(earlier.filter((lesion) => lesion.mask).map(async (lesion) => ({
    ...(await api.unpackMask(lesion.mask)), rgb: view.study.colours[lesion.target], part: lesion.part, target: lesion.target,
  })));
  $("beside").hidden = !second;
  // Two MR, or a scan and an earlier one, hang side by side; a PET lies over its CT.
  besides(Boolean(second) && (hung.get(view.session) ?? second.words !== "PET"));
  const [d, h, w] = view.study.shape;
  viewer.setOrgans(layers.drafted ? await api.organs(view.session) : new Uint8Array(d * h * w), layers.organs);
  await correctOrgans();
  view.region = layers.region ? { ...(await api.unpackMask(layers.region)), rgb: layers.region_rgb, faint: true } : null;
  layerList();
}

const layerList = () => drawLayers($("layer-list"), view, viewer, draw, view.signed.open && editable() ? correct : null);

// What the reader changed of the organs is fetched when the number of strokes has changed.
async function correctOrgans() {
  const found = await api.corrected(view.session);
  view.drawnOrgans = found.strokes;
  view.study.layers.organs = found.organs;
  viewer.correct(found, await api.unpackLabels(found));
}

// Brush, eraser and lasso draw on this organ, until 0 turns them back to the lesions.
function correct(label) {
  view.organ = label;
  if (label) {
    viewer.visible[label] = 1;
    if (!["paint", "erase", "enclose"].includes(viewer.tool)) tool("paint");
  }
  const organ = view.study.layers.organs.find((row) => row.label === label);
  $("correcting").hidden = !organ;
  $("correcting").textContent = organ ? `Brush, eraser and lasso correct: ${organ.words}. Esc goes back to the lesions.` : "";
  layerList();
  viewer.draw();
  if (label) $("axial").focus();
}

// Second image beside the scan; a reader's choice is kept for the session.
const hung = new Map();
function besides(on) {
  $("earlier").hidden = !on;
  $("planes").classList.toggle("beside", on);
  $("beside").classList.toggle("on", on);
  $("beside").setAttribute("aria-pressed", on);
  viewer.draw();
}

const editable = () => about.may_change && (!view.owner || view.owner === about.who);

function draw() {
  const painted = view.lesions.filter((lesion) => masks.has(lesion.number)).map((lesion) => ({
    ...masks.get(lesion.number).mask, rgb: view.study.colours[lesion.target], chosen: lesion.number === chosen,
  }));
  const points = view.lesions.filter((lesion) => lesion.number === chosen).flatMap((lesion) => lesion.prompts
    .filter((p) => p.kind !== "box").flatMap((p) => [p.point_ijk, ...p.more_ijk].map((voxel) => ({ voxel, kind: p.kind }))));
  viewer.setMasks([...(view.showRegion && view.region ? [view.region] : []), ...painted], points);
  if (inVolume) drawVolume(painted);
  else solid.show(painted, view.study.spacing_mm);
  const open = view.signed.open && editable();
  drawLesions($("lesions"), view, chosen, open, {
    onChoose: (number, voxel) => {
      if (view.organ) correct(0);
      chosen = number;
      const mask = masks.get(number)?.mask;
      if (voxel) viewer.jump(voxel);
      else if (mask) viewer.jump(mask.start.map((s, a) => Math.floor((s + mask.stop[a] - 1) / 2)));
      draw();
    },
    onNew: (target) => newLesion(target),
    change,
  });
  drawBefore($("before"), view, open, { onJump: (voxel) => viewer.jump(voxel), change: copied });
  $("summary").textContent = view.report.summary;
  const warnings = [...view.draft.notes, ...view.report.warnings];
  $("warnings").replaceChildren(...warnings.map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  $("statement-work").textContent = view.report.statement;
  $("pending").textContent = view.pending ? "Sub-sites follow …" : "";
  drawDraft();
  drawSignature(view, open, editable());
  drawStaging(view, open);
  drawReport($("report"), view, open, {
    showMissing: $("missing").checked,
    onJump: (voxel) => viewer.jump(voxel),
    onOverrule: (key, value) => change({ do: "overrule", key, value }),
  });
  $("undo").disabled = !view.can_undo || !open;
  $("redo").disabled = !view.can_redo || !open;
  if (view.organ && !open) correct(0);
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.disabled = !open && TOOLS_OF_CHANGE.includes(button.dataset.tool);
  }
  document.body.dataset.revision = view.revision;
}

// NiiVue draws what the fourth picture shows in three dimensions, after the planes, which do not wait for it.
let drawnVolume = Promise.resolve();
function drawVolume(painted) {
  const { study } = view;
  drawnVolume = drawnVolume.then(() => volume.show(study, viewer.voxels, painted))
    .catch((error) => { showVolume(false); say("The browser cannot draw volumes (WebGL 2).", String(error.message ?? error)); });
}

function showVolume(on) {
  inVolume = on;
  $("solid").hidden = on;
  $("volume").hidden = $("cut").hidden = !on;
  $("volume-button").setAttribute("aria-pressed", on);
  $("volume-button").classList.toggle("on", on);
  draw();
}

function turnCut() {
  const depth = $("cut-on").checked ? $("cut-depth").valueAsNumber : 2;
  volume.turn({ depth, azimuth: $("cut-azimuth").valueAsNumber, elevation: $("cut-elevation").valueAsNumber });
}

function drawDraft() {
  const { state, stage, done, total, lesions, taken } = view.draft;
  const running = state === "waiting" || state === "working";
  $("draft").hidden = !running && !(state === "done" && lesions && !taken && view.signed.open);
  $("draft-words").textContent = running ? `Draft: ${stage || "waiting for its turn"} …` : "";
  $("draft-progress").hidden = !running;
  if (running && total > 0 && stage) $("draft-progress").value = done / total;
  else $("draft-progress").removeAttribute("value");
  $("take").hidden = running;
  $("take").textContent = `Take the ${lesions} lesion(s) of the draft`;
}

function newLesion(target) {
  tool(viewer.tool === "look" || viewer.tool === "measure" ? "add" : viewer.tool);
  return change({ do: "lesion", target }).then(() => { chosen = view.lesions.at(-1)?.number ?? chosen; draw(); });
}

const copied = (action) => change(action).then(() => { chosen = view.lesions.at(-1)?.number ?? chosen; draw(); });

// The earlier lesion under the cross.
function copyHere() {
  const there = viewer.earlierMasks.find(({ start, stop, size, voxels }) => {
    const at = viewer.cursor.map((v, a) => v - start[a]);
    return viewer.cursor.every((v, a) => v >= start[a] && v < stop[a]) && voxels[(at[0] * size[1] + at[1]) * size[2] + at[2]];
  });
  if (!there) { say("No lesion of an earlier scan lies at the cross.", "Move the cross onto one.", true); return; }
  if (view.signed.open && editable()) copied({ do: "copy", part: there.part, target: there.target });
}

async function clicked(voxel, kind) {
  if (!viewer.inside(voxel)) { say("That click is outside the scan.", "Click inside the picture."); return; }
  if (!view.lesions.length && kind === "add") await newLesion("GTVp");
  if (!chosen) { say("There is no lesion to change.", "Press N and click on one."); return; }
  viewer.jump(voxel);
  await change({ do: "prompt", lesion: chosen, kind, point_ijk: voxel });
}

async function stroked({ tool: kind, axis, points, adds, ball }) {
  const named = { paint: adds ? "paint" : "erase", erase: "erase", enclose: adds ? "enclose" : "cut" }[kind];
  if (view.organ && named) {
    await change({ do: "organ", label: view.organ, kind: named, axis, points_ijk: points, radius_mm: viewer.radius, ball });
    return;
  }
  if (!chosen && adds) await newLesion("GTVp");
  if (!chosen) { viewer.stroke = null; viewer.draw(); say("There is no lesion to change.", "Press N first."); return; }
  if (kind === "scribble") {
    // The network is told a dozen points of a scribble, evenly spread.
    const count = Math.min(points.length, 12);
    const spread = Array.from({ length: count }, (_, n) => points[Math.round((n * (points.length - 1)) / Math.max(count - 1, 1))]);
    const [point_ijk, ...more_ijk] = spread;
    await change({ do: "prompt", lesion: chosen, kind: adds ? "add" : "remove", point_ijk, more_ijk });
    return;
  }
  await change({ do: "stroke", lesion: chosen, kind: named, axis, points_ijk: points, radius_mm: viewer.radius, ball });
}

async function boxed(from, to, across) {
  // A box is drawn in one plane; across it, it is as deep as it is wide on average.
  const { shape, spacing_mm: mm } = view.study;
  const edges = [0, 1, 2].filter((a) => a !== across).map((a) => Math.abs(to[a] - from[a]) * mm[a]);
  const half = Math.max(1, Math.round((edges[0] + edges[1]) / 4 / mm[across]));
  const low = from.map((v, a) => (a === across ? Math.max(0, v - half) : Math.min(v, to[a])));
  const high = from.map((v, a) => (a === across ? Math.min(shape[a] - 1, v + half) : Math.max(v, to[a])));
  const open = view.lesions.find((lesion) => lesion.number === chosen);
  if (!open || open.steps) await newLesion(open?.target ?? "GTVp");
  await change({ do: "prompt", lesion: chosen, kind: "box", point_ijk: low, to_ijk: high });
}

function tool(name) {
  if (view?.organ && ["add", "remove", "scribble", "box"].includes(name)) correct(0);
  viewer.tool = name;
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.classList.toggle("on", button.dataset.tool === name);
    button.setAttribute("aria-pressed", button.dataset.tool === name);
  }
}

function radius(mm) {
  viewer.radius = Math.min(40, Math.max(0.5, mm));
  $("radius").value = viewer.radius;
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
  viewer.visible.fill(0);
  $("correcting").hidden = true;
  viewer.show(answer.study, voxels);
  await show(answer);
  // A draft that lay on disk may be there before the first answer is.
  if (view.draft.state === "done" && view.revision === 0) await drafted();
  else await pictures();
  const first = view.report.lesions[0];
  if (first) viewer.jump(first.voxel);
  tool(view.lesions.length ? "look" : "add");
  say("");
  $("axial").focus();
  await priors();
}

async function priors() {
  const [rows, session] = [await api.sessions(), view.session];
  const signed = rows.filter((row) => row.signed && row.session !== session && row.study !== view.study.key);
  $("prior").replaceChildren(new Option("nothing", ""), ...signed.map((row) => new Option(`${row.name || "a study"}: version ${row.signed}`, row.session)));
  $("prior").value = view.prior;
}

async function start() {
  view = null;
  $("start").hidden = false;
  $("work").hidden = $("tools").hidden = true;
  history.replaceState(null, "", location.pathname);
  $("statement").textContent = `${about.statement} Interactive model: ${about.model}, trained on ${about.trained_on}.`;
  await list();
}

async function list() {
  const [studies, sessions] = await Promise.all([api.studies(), api.sessions()]);
  const opening = (work) => { say("Reading the study …", "", true); inTurn(work); };
  drawStudies($("studies"), studies, sessions, about.may_change, (s) => opening(async () => open(await api.begin(s.key))));
  drawSessions($("sessions"), sessions, (s) => opening(async () => open(await api.look(s.session))));
  return studies.every((study) => study.modality);
}

const send = (file) => inTurn(async () => {
  const { largest_upload_bytes: most } = about;
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

function offerDestinations() {
  const names = about.destinations;
  $("send-to").replaceChildren(...["Send to …", ...names].map((name, n) => new Option(name, n ? name : "")));
  $("send-to").hidden = !names.length;
}

async function sendSigned() {
  const to = $("send-to").value;
  $("send-to").value = "";
  if (!to) return;
  say(`Sending to ${to} …`, "", true);
  const { objects } = await api.sendTo(view.session, to);
  say(`Sent to ${to}: ${objects} DICOM object(s).`, "", true);
}

function next(by) {
  const numbers = view.lesions.map((lesion) => lesion.number);
  if (!numbers.length) return;
  chosen = numbers[(numbers.indexOf(chosen) + by + numbers.length) % numbers.length];
  draw();
}

// With two images: the second one away, or as it was.
let opacity = 0;
function flicker() {
  if (!viewer.second) return;
  [viewer.second.opacity, opacity] = [viewer.second.opacity ? 0 : opacity || (viewer.second.fades ? 0.7 : 1), viewer.second.opacity];
  layerList();
  viewer.draw();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "light" ? "Dark" : "Light";
  localStorage.setItem("theme", name);
}

async function addendum() {
  $("words-text").value = "";
  $("words").showModal();
  await new Promise((done) => { $("words").addEventListener("close", done, { once: true }); });
  const words = $("words-text").value.trim();
  if ($("words").returnValue === "ok" && words) await change({ do: "addendum", words });
}

const act = {
  tool, newLesion, next, chooseWindow, clicked, viewer, flicker,
  press: (id) => $(id).click(),
  radius: (by) => radius(viewer.radius + by),
  help: () => $("help").showModal(),
  copyHere, correct,
  ghosts: () => { viewer.ghosts = !viewer.ghosts; layerList(); viewer.draw(); },
  fill: () => chosen && change({ do: "fill", lesion: chosen, axis: 0 }),
};
document.addEventListener("keydown", (event) => {
  if (!view || event.target.closest("input, select, textarea, dialog[open]")) return;
  const work = keyActions(event, act);
  if (work && !(event.key === " " && event.target.closest("button, summary"))) { event.preventDefault(); work(); }
});
for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => tool(button.dataset.tool));
$("undo").addEventListener("click", () => inTurn(async () => {
  const taken = view.draft.taken;
  await show(await api.undo(view.session, view.revision));
  if (taken && !view.draft.taken) declined = view.session;
  say("");
}));
$("redo").addEventListener("click", () => inTurn(async () => { await show(await api.redo(view.session, view.revision)); say(""); }));
$("accept").addEventListener("click", () => change({ do: "accept" }));
$("sign").addEventListener("click", () => change({ do: "sign" }));
$("reopen").addEventListener("click", () => change({ do: "reopen" }));
$("addendum").addEventListener("click", addendum);
$("fill").addEventListener("click", act.fill);
$("volume-button").addEventListener("click", () => showVolume(!inVolume));
for (const id of ["cut-depth", "cut-azimuth", "cut-elevation", "cut-on"]) $(id).addEventListener("input", turnCut);
$("take").addEventListener("click", () => inTurn(async () => { await show(await api.takeDraft(view.session, view.revision)); }));
$("export").addEventListener("click", () => inTurn(save));
$("send-to").addEventListener("change", () => inTurn(sendSigned));
$("close").addEventListener("click", () => inTurn(start));
$("beside").addEventListener("click", () => {
  if (!viewer.second) return;
  hung.set(view.session, $("earlier").hidden);
  besides($("earlier").hidden);
});
$("fit").addEventListener("click", () => viewer.fit());
$("history-button").addEventListener("click", () => inTurn(async () => {
  drawHistory($("history-rows"), await api.history(view.session));
  $("history").showModal();
}));
$("stage-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const site = $("stage-site").value || null, depth_mm = $("stage-depth").valueAsNumber || null;
  change({ do: "stage", site, depth_mm, all_nodes: $("stage-nodes").checked });
});
$("prior").addEventListener("change", () => inTurn(async () => { await show(await api.compare(view.session, view.revision, $("prior").value)); }));
$("radius").addEventListener("change", () => radius($("radius").valueAsNumber || viewer.radius));
$("window").addEventListener("change", () => { chooseWindow($("window").selectedIndex); $("axial").focus(); });
$("missing").addEventListener("change", () => view && draw());
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "light" ? "dark" : "light"));
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
// The draft and the sub-sites come in the background; the report grows when they are there.
setInterval(() => {
  if (document.body.dataset.busy) return;
  if (view && ([view.draft.state, view.carry.state].some((state) => ["waiting", "working"].includes(state)) || view.pending)) {
    inTurn(async () => { if (view) await show(await api.brief(view.session)); });
  } else if (!view && !$("start").hidden && $("studies").querySelector("[data-unknown]")) {
    inTurn(list);
  }
}, 1000);

theme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
inTurn(async () => {
  about = await api.about();
  offerDestinations();
  $("stage-site").append(...about.sites.map((site) => new Option(site)));
  const session = new URLSearchParams(location.hash.slice(1)).get("session");
  if (session) {
    try { await open(await api.look(session)); return; } catch (error) { say(error.problem, error.cure); }
  }
  await start();
});
window.hyoid = { viewer, volume, get view() { return view; }, get volumeDrawn() { return drawnVolume; } };
