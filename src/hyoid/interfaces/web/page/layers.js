// Switches of what is laid over the scan: the second image, the predicted target region, organs.

import { PALETTE_NAMES, palette } from "./overlay.js";

const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

export function drawLayers(place, view, viewer, redraw, onCorrect) {
  const list = place.querySelector(".organs"), scrolled = list?.scrollTop ?? 0;
  fillLayers(place, view, viewer, redraw, onCorrect);
  if (scrolled) place.querySelector(".organs")?.scrollTo(0, scrolled);
}

function fillLayers(place, view, viewer, redraw, onCorrect) {
  place.replaceChildren();
  const { second, layers } = view.study;
  if (viewer.second) place.append(secondRow(viewer, second));
  if (viewer.earlierMasks.length) {
    place.append(check("Outlines of the earlier scan, in white (G)", viewer.ghosts, (on) => { viewer.ghosts = on; viewer.draw(); }));
  }
  if (view.region) {
    const box = check("Predicted high-dose target: no tumour outline", Boolean(view.showRegion), (on) => { view.showRegion = on; redraw(); });
    place.append(box);
  }
  const there = layers.organs.filter((organ) => organ.there);
  const all = check("All organs", there.length > 0 && there.every(({ label }) => viewer.visible[label]), (on) => {
    for (const { label } of there) viewer.visible[label] = on ? 1 : 0;
    viewer.draw();
    drawLayers(place, view, viewer, redraw, onCorrect);
  });
  const list = make("div", { className: "organs" });
  for (const { label, words, rgb, edited } of there) {
    const row = check(edited ? `${words} (corrected)` : words, Boolean(viewer.visible[label]), (on) => { viewer.visible[label] = on ? 1 : 0; viewer.draw(); });
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `rgb(${rgb.join(",")})`;
    row.insertBefore(swatch, row.lastChild);
    const line = make("p", { className: "layer-row" });
    line.append(row);
    if (onCorrect) line.append(correctButton(label, words, label === view.organ, onCorrect));
    list.append(line);
  }
  if (there.length) place.append(all, list);
  if (onCorrect) place.append(another(layers.organs.filter((organ) => !organ.there), onCorrect));
}

function correctButton(label, words, on, onCorrect) {
  const button = make("button", { className: on ? "small on" : "small", textContent: on ? "Done" : "Correct" });
  button.setAttribute("aria-pressed", on);
  button.setAttribute("aria-label", `Correct the outline of: ${words}`);
  button.dataset.organ = label;
  button.addEventListener("click", () => onCorrect(on ? 0 : label));
  return button;
}

// An organ that nobody outlined, to be drawn by hand.
function another(organs, onCorrect) {
  const row = make("label", { className: "layer", textContent: "Outline another " });
  const select = make("select", { id: "another-organ" });
  select.append(new Option("organ …", ""), ...organs.map(({ label, words }) => new Option(words, label)));
  select.addEventListener("change", () => select.value && onCorrect(Number(select.value)));
  row.append(select);
  return row;
}

function check(words, on, act) {
  const row = make("label", { className: "layer" });
  const box = make("input", { type: "checkbox", checked: on });
  box.addEventListener("change", () => act(box.checked));
  row.append(box, make("span", { textContent: words }));
  return row;
}

function secondRow(viewer, second) {
  const row = make("p", { className: "second" });
  const name = second.words[0].toUpperCase() + second.words.slice(1);
  const words = second.words === "PET" ? name : `${name}, ${second.registered ? "registered" : "by its position"}`;
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: viewer.second.opacity, ariaLabel: `${words}: opacity` });
  opacity.addEventListener("input", () => { viewer.second.opacity = opacity.valueAsNumber; viewer.draw(); });
  const window = make("select", { ariaLabel: `${words}: window` });
  window.append(...second.windows.map((w) => new Option(w.name)));
  window.selectedIndex = Math.max(0, second.windows.findIndex((w) => w.name === viewer.second.window.name));
  window.addEventListener("change", () => { viewer.second.window = second.windows[window.selectedIndex]; viewer.draw(); });
  const colours = make("select", { ariaLabel: `${words}: palette` });
  colours.append(...PALETTE_NAMES.map((name) => new Option(name)));
  colours.value = viewer.second.palette ?? (viewer.second.fades ? "Inferno" : "Grey");
  colours.addEventListener("change", () => {
    Object.assign(viewer.second, { palette: colours.value, table: palette(colours.value) });
    viewer.draw();
  });
  row.append(make("span", { textContent: `${words} (T) ` }), opacity, window, colours);
  return row;
}
