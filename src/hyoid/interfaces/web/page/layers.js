// Switches of what is laid over the scan: the second image, the predicted target region, organs.

import { PALETTE_NAMES, palette } from "./overlay.js";

const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

export function drawLayers(place, view, viewer, redraw) {
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
  if (!layers.organs.length) {
    if (!place.childNodes.length) place.append(make("p", { className: "statement", textContent: "No layer yet." }));
    return;
  }
  const all = check("All organs", layers.organs.every(({ label }) => viewer.visible[label]), (on) => {
    for (const { label } of layers.organs) viewer.visible[label] = on ? 1 : 0;
    viewer.draw();
    drawLayers(place, view, viewer, redraw);
  });
  const list = make("div", { className: "organs" });
  for (const { label, words, rgb } of layers.organs) {
    const row = check(words, Boolean(viewer.visible[label]), (on) => { viewer.visible[label] = on ? 1 : 0; viewer.draw(); });
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = `rgb(${rgb.join(",")})`;
    row.insertBefore(swatch, row.lastChild);
    list.append(row);
  }
  place.append(all, list);
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
