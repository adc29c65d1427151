// The report beside the pictures: every line jumps to its voxels, changed lines light up, any line can be overruled.

const make = (tag, className = "", text = "") => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

const STATUS = { measured: "measured", model: "model", reader: "reader", text: "text", Missing: "missing" };

export function drawReport(place, view, editable, { showMissing, onJump, onOverrule }) {
  const open = place.querySelector("form")?.dataset.key;
  place.replaceChildren();
  let section = null;
  for (const line of view.report.lines) {
    if (line.status === "Missing" && !showMissing) continue;
    if (line.section !== section) {
      section = line.section;
      place.append(make("h3", view.report.headings[section] ?? "", section));
    }
    place.append(entry(line, view, editable, { onJump, onOverrule }));
  }
  if (open) place.querySelector(`[data-key="${CSS.escape(open)}"] .pencil`)?.click();
}

function entry(line, view, editable, { onJump, onOverrule }) {
  const node = make("div", "entry");
  node.dataset.key = line.key;
  if (line.status === "Missing") node.classList.add("none");
  if (view.changed.includes(line.key)) node.classList.add("changed", "lit");
  const head = make(line.voxel ? "button" : "span", line.voxel ? "plain words" : "words", line.words);
  const right = make("span");
  const chance = line.probability === null ? "" : ` ${line.probability.toFixed(2)}`;
  right.append(make("span", `badge ${line.status}`, STATUS[line.status] + chance));
  if (line.key !== "patient" && editable) {
    const pencil = make("button", "pencil", "Overrule");
    pencil.title = "Say it in your own words";
    pencil.addEventListener("click", (event) => { event.stopPropagation(); edit(node, line, view, onOverrule); });
    right.append(pencil);
  }
  node.append(head, right, make("span", "value", line.value));
  if (line.flags.length) node.append(make("span", "flags", line.flags.join(" · ")));
  node.title = line.notes.join("\n");
  if (line.voxel) {
    // A click anywhere in the line jumps; the keyboard and screen readers have a button.
    node.classList.add("jumps");
    head.setAttribute("aria-label", `${line.words}: ${line.value}. Show where.`);
    node.addEventListener("click", () => onJump(line.voxel));
  }
  return node;
}

function edit(node, line, view, onOverrule) {
  if (node.querySelector("form")) return;
  const form = make("form");
  form.dataset.key = line.key;
  const input = make("input");
  Object.assign(input, { type: "text", maxLength: 500, value: view.overruled[line.key] ?? line.value });
  const save = make("button", "", "Save");
  const back = make("button", "", line.key in view.overruled ? "Take back" : "Cancel");
  back.type = "button";
  form.append(input, save, back);
  form.addEventListener("click", (event) => event.stopPropagation());
  form.addEventListener("submit", (event) => { event.preventDefault(); form.remove(); onOverrule(line.key, input.value.trim()); });
  back.addEventListener("click", () => { form.remove(); if (line.key in view.overruled) onOverrule(line.key, ""); });
  input.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Escape") form.remove(); });
  node.append(form);
  input.focus();
  input.select();
}

const MADE_BY = { nobody: "", draft: "model", "draft, edited": "model, edited", earlier: "from before", "earlier, edited": "from before, edited", network: "clicks", hand: "by hand" };

export function drawLesions(place, view, chosen, editable, { onChoose, onNew, change }) {
  place.replaceChildren();
  const bar = make("p");
  for (const [target, words, key] of [["GTVp", "New primary (N)", "n"], ["GTVn", "New node (Shift-N)", "N"]]) {
    const button = make("button", "", words);
    button.dataset.key = key;
    button.disabled = !editable;
    button.addEventListener("click", () => onNew(target));
    bar.append(button, " ");
  }
  place.append(bar);
  if (!view.lesions.length) {
    place.append(make("p", "statement", "No lesion yet: press N, then click on one. Shift-click takes away."));
    return;
  }
  const table = make("table");
  for (const lesion of view.lesions) {
    const row = make("tr", lesion.number === chosen ? "chosen" : "");
    const name = make("td");
    const swatch = make("span", "swatch");
    swatch.style.background = `rgb(${view.study.colours[lesion.target].join(",")})`;
    const choose = make("button", "plain", `${lesion.number} ${lesion.target}`);
    choose.setAttribute("aria-pressed", lesion.number === chosen);
    name.append(swatch, choose);
    const by = make("td");
    if (MADE_BY[lesion.made_by]) by.append(make("span", "badge", MADE_BY[lesion.made_by]));
    row.title = `${lesion.steps} step(s)`;
    const size = make("td", "", lesion.mask ? "" : lesion.steps ? "nothing outlined: click again" : "no click yet");
    row.append(name, by, size, doings(lesion, view, chosen, editable, change));
    row.addEventListener("click", () => onChoose(lesion.number));
    table.append(row);
  }
  place.append(table);
  if (view.report.lesions.length) {
    const sizes = make("table");
    const head = make("tr");
    for (const words of ["Measured", "ml", "longest", "axial", "side"]) head.append(make("th", "", words));
    sizes.append(head);
    for (const part of view.report.lesions) {
      const row = make("tr");
      const cells = [part.name, part.ml.toFixed(2), `${part.longest_mm} mm`, `${part.axial_mm.join(" × ")} mm`, [part.side, part.level].filter(Boolean).join(", ")];
      for (const words of cells) row.append(make("td", "", words));
      row.addEventListener("click", () => onChoose(chosen, part.voxel));
      sizes.append(row);
    }
    place.append(sizes);
  }
}

// Lesions of the earlier scan, carried onto this one: where they were, and a copy of one to begin with.
export function drawBefore(place, view, editable, { onJump, change }) {
  place.replaceChildren();
  const { state, stage, done, total, why } = view.carry;
  if (["waiting", "working"].includes(state)) {
    const share = state === "working" && stage ? `${stage}, ${Math.round((100 * done) / Math.max(total, 1))} %` : "waiting for its turn";
    place.append(make("p", "statement", `The earlier scan is registered: ${share} …`));
  }
  if (state === "refused") place.append(make("p", "statement", `The earlier scan was not registered: ${why}`));
  const { earlier } = view.study;
  if (!earlier.length) return;
  const table = make("table");
  const head = make("tr");
  for (const words of ["Earlier scan", "ml", ""]) head.append(make("th", "", words));
  table.append(head);
  for (const lesion of earlier) {
    const row = make("tr");
    const name = make("td");
    const swatch = make("span", "swatch");
    swatch.style.background = `rgb(${view.study.colours[lesion.target].join(",")})`;
    const jump = make("button", "plain", lesion.name);
    jump.title = `Show where ${lesion.name} was`;
    jump.disabled = !lesion.mask;
    jump.addEventListener("click", () => onJump(lesion.mask.start.map((s, a) => Math.floor((s + lesion.mask.stop[a] - 1) / 2))));
    name.append(swatch, jump);
    const cell = make("td", "doings");
    if (lesion.mask && editable) {
      const copy = make("button", "small", "Copy");
      copy.setAttribute("aria-label", `Copy ${lesion.name} of the earlier scan onto this one`);
      copy.addEventListener("click", () => change({ do: "copy", part: lesion.part, target: lesion.target }));
      cell.append(copy);
    }
    row.append(name, make("td", "", lesion.ml.toFixed(1)), cell);
    table.append(row);
  }
  place.append(table);
}

// What can be done with a whole lesion.
function doings(lesion, view, chosen, editable, change) {
  const cell = make("td", "doings");
  const other = lesion.target === "GTVp" ? "GTVn" : "GTVp";
  const all = [
    [`to ${other}`, `Make lesion ${lesion.number} a ${other === "GTVn" ? "node" : "primary"}`, { do: "retarget", lesion: lesion.number, target: other }, true],
    ["Split", `Make a lesion of every piece of lesion ${lesion.number}`, { do: "split", lesion: lesion.number }, Boolean(lesion.mask)],
    [`Join to ${chosen}`, `Join lesion ${lesion.number} to lesion ${chosen}`, { do: "merge", lesion: chosen, other: lesion.number }, lesion.number !== chosen && lesion.mask],
    ["Drop", `Drop lesion ${lesion.number}`, { do: "drop", lesion: lesion.number }, true],
  ];
  for (const [words, title, action, there] of all) {
    if (!there || !editable) continue;
    const button = make("button", "small", words);
    button.title = title;
    button.setAttribute("aria-label", title);
    button.addEventListener("click", (event) => { event.stopPropagation(); change(action); });
    cell.append(button);
  }
  return cell;
}
