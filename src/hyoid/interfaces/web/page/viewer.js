// Three planes through one voxel. Arrays run feet to head, front to back, patient's right to left, so the patient's
// right is on the picture's left, as radiologists hang films. Nothing here knows of the server.

import { layOver, nearestValue, palette, tintMask, tintOrgans } from "./overlay.js";

const PLANES = {
  axial: { across: 0, right: 2, down: 1, flip: false, letters: "RLAP" },
  coronal: { across: 1, right: 2, down: 0, flip: true, letters: "RLHF" },
  sagittal: { across: 2, right: 1, down: 0, flip: true, letters: "APHF" },
  // The second image alone, in the axial plane: it moves and zooms with the scan.
  earlier: { across: 0, right: 2, down: 1, flip: false, letters: "RLAP", second: true },
};

// Tools with which a line is dragged, and what the line is drawn as meanwhile.
const DRAGGED = { measure: "line", box: "box", ellipse: "ellipse" };
const STROKES = new Set(["scribble", "paint", "erase", "enclose"]);
const GHOST = [255, 255, 255];   // outlines of the earlier scan, over the present one

// How the second image is drawn where it is drawn alone: a PET dark on white, as nuclear medicine hangs it.
const GREY = palette("Grey"), INVERTED = GREY.slice().reverse();
const alone = (second) => ({ opacity: 1, fades: false, table: second.palette ? second.table : second.unit === "SUV" ? INVERTED : GREY });
const STROKE_COLOURS = { add: "#69db7c", remove: "#ff6b6b" };

export class Viewer {
  constructor(canvases, events) {
    this.events = events;
    this.planes = Object.entries(PLANES).map(([name, plane]) => ({
      name, ...plane, canvas: canvases[name], look: { zoom: 1, pan: [0, 0] }, picture: document.createElement("canvas"),
    }));
    this.plane("earlier").look = this.plane("axial").look;
    this.masks = [];
    this.earlierMasks = [];
    this.ghosts = false;
    this.points = [];
    this.tool = "look";
    this.radius = 4;
    this.second = null;
    this.organs = null;
    this.visible = new Uint8Array(256);
    this.colours = [];
    this.stroke = null;
    this.fingers = new Map();
    for (const plane of this.planes) this.listen(plane);
    new ResizeObserver(() => this.draw()).observe(canvases.axial.parentElement);
  }

  show(study, voxels) {
    this.study = study;
    this.voxels = voxels;
    const [, h, w] = study.shape;
    this.strides = [h * w, w, 1];
    this.cursor = study.shape.map((n) => Math.floor(n / 2));
    this.line = null;
    this.stroke = null;
    this.second = null;
    this.organs = null;
    this.earlierMasks = [];
    this.field = this.patientBox();
    this.setWindow(study.windows[0]);
    this.fit();
  }

  plane(name) { return this.planes.find((plane) => plane.name === name); }

  // The part of the scan that holds the patient, so that a picture is not mostly air.
  patientBox() {
    const { shape, slope, intercept, unit } = this.study;
    const full = shape.map((n) => [0, n]);
    const floor = unit === "HU" ? -300 : this.study.windows[0].centre - 0.4 * this.study.windows[0].width;
    const low = [...shape], high = [0, 0, 0];
    for (let i = 0; i < shape[0]; i += 2) for (let j = 0; j < shape[1]; j += 2) for (let k = 0; k < shape[2]; k += 2) {
      if (this.voxels[(i * shape[1] + j) * shape[2] + k] * slope + intercept < floor) continue;
      [i, j, k].forEach((v, a) => { low[a] = Math.min(low[a], v); high[a] = Math.max(high[a], v); });
    }
    if (low[0] > high[0]) return full;
    return full.map(([, n], a) => [Math.max(0, low[a] - 4), Math.min(n, high[a] + 6)]);
  }

  setWindow({ width, centre }) {
    this.window = { width: Math.max(width, 1e-6), centre };
    const { slope, intercept, inverted } = this.study;
    // One entry per stored value that can be told apart.
    this.grey = new Uint8ClampedArray(65536);
    const low = centre - this.window.width / 2;
    for (let stored = -32768; stored < 32768; stored += 1) {
      const part = ((stored * slope + intercept - low) / this.window.width) * 255;
      this.grey[stored + 32768] = inverted ? 255 - part : part;
    }
    this.draw();
  }

  setSecond(study, voxels) {
    const fades = study.unit === "SUV";
    const before = this.second;
    this.second = {
      ...study, voxels, fades, window: study.windows[0], opacity: before?.opacity ?? (fades ? 0.7 : 0),
      table: palette(fades ? "Inferno" : "Grey"),
    };
    this.draw();
  }

  // Labels of the draft; what a reader changed of them lies in one box (`correct`).
  setOrgans(labels, rows) {
    this.drafted = labels;
    this.organs = labels.slice();
    this.box = null;
    for (const { label, rgb } of rows) this.colours[label] = rgb;
    this.draw();
  }

  correct({ start, stop }, labels) {
    if (this.box) this.copyBox(this.box, (at) => this.drafted[at]);
    this.box = start && { start, stop };
    let n = 0;
    if (this.box) this.copyBox(this.box, () => labels[n++]);
    this.draw();
  }

  copyBox({ start, stop }, value) {
    const [, h, w] = this.study.shape;
    for (let i = start[0]; i < stop[0]; i += 1) for (let j = start[1]; j < stop[1]; j += 1) {
      const row = (i * h + j) * w;
      for (let at = row + start[2]; at < row + stop[2]; at += 1) this.organs[at] = value(at);
    }
  }

  setMasks(masks, points) {
    this.masks = masks;
    this.points = points;
    this.draw();
  }

  fit() {
    for (const plane of this.planes) Object.assign(plane.look, { zoom: 1, pan: [0, 0] });
    this.draw();
  }

  jump(voxel) {
    this.cursor = voxel.map((v, a) => Math.min(Math.max(v, 0), this.study.shape[a] - 1));
    for (const plane of this.planes) {
      const { x, y } = this.toCanvas(plane, this.cursor);
      const { width, height } = plane.canvas;
      if (x < 0 || y < 0 || x > width || y > height) plane.look.pan = [0, 0];
    }
    this.draw();
  }

  step(name, by) {
    const plane = this.plane(name);
    const moved = [...this.cursor];
    moved[plane.across] += by;
    this.jump(moved);
  }

  zoom(factor) {
    for (const look of new Set(this.planes.map((plane) => plane.look))) look.zoom = Math.min(Math.max(look.zoom * factor, 0.5), 20);
    this.draw();
  }

  // Canvas pixels per voxel along right and down, and where voxel 0 begins.
  frame(plane) {
    const { shape, spacing_mm: mm } = this.study;
    const [across, down] = [this.field[plane.right], this.field[plane.down]];
    const size = [(across[1] - across[0]) * mm[plane.right], (down[1] - down[0]) * mm[plane.down]];
    const { width, height } = plane.canvas;
    const scale = Math.min(width / size[0], height / size[1]) * plane.look.zoom;
    const step = [scale * mm[plane.right], scale * mm[plane.down]];
    const top = plane.flip ? shape[plane.down] - down[1] : down[0];
    // The middle of the patient lies in the middle of the canvas.
    return {
      scale,
      step,
      origin: [
        width / 2 - (across[0] + (across[1] - across[0]) / 2) * step[0] + plane.look.pan[0],
        height / 2 - (top + (down[1] - down[0]) / 2) * step[1] + plane.look.pan[1],
      ],
    };
  }

  toCanvas(plane, voxel) {
    const { step, origin } = this.frame(plane);
    const down = plane.flip ? this.study.shape[plane.down] - 1 - voxel[plane.down] : voxel[plane.down];
    return { x: origin[0] + (voxel[plane.right] + 0.5) * step[0], y: origin[1] + (down + 0.5) * step[1] };
  }

  toVoxel(plane, x, y) {
    const { step, origin } = this.frame(plane);
    const voxel = [...this.cursor];
    const down = Math.floor((y - origin[1]) / step[1]);
    voxel[plane.right] = Math.floor((x - origin[0]) / step[0]);
    voxel[plane.down] = plane.flip ? this.study.shape[plane.down] - 1 - down : down;
    return voxel;
  }

  inside(voxel) {
    return voxel.every((v, a) => v >= 0 && v < this.study.shape[a]);
  }

  value(voxel) {
    const at = voxel.reduce((sum, v, a) => sum + v * this.strides[a], 0);
    return this.voxels[at] * this.study.slope + this.study.intercept;
  }

  // Value of the scan, and of the image over it, in words.
  words(voxel) {
    const own = `${this.value(voxel).toFixed(this.study.unit === "HU" ? 0 : 2)} ${this.study.unit}`;
    const other = this.second ? nearestValue(this.second, voxel) : null;
    return other === null ? own : `${own}   ${this.second.words === "PET" ? "SUV" : this.second.words} ${other.toFixed(2)}`;
  }

  draw() {
    if (!this.study || this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      for (const plane of this.planes) this.drawPlane(plane);
      this.events.drawn?.();
    });
  }

  drawPlane(plane) {
    const { canvas, picture } = plane;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    this.paint(plane);
    const { step, origin } = this.frame(plane);
    pen.imageSmoothingEnabled = step[0] < 6;
    pen.drawImage(picture, origin[0], origin[1], picture.width * step[0], picture.height * step[1]);
    this.annotate(plane, pen, ratio);
  }

  paint(plane) {
    const { shape } = this.study;
    const [columns, rows] = [shape[plane.right], shape[plane.down]];
    const { picture } = plane;
    if (picture.width !== columns || picture.height !== rows) Object.assign(picture, { width: columns, height: rows });
    const pen = picture.getContext("2d");
    const image = plane.image?.width === columns && plane.image?.height === rows ? plane.image : pen.createImageData(columns, rows);
    plane.image = image;
    const pixels = new Uint32Array(image.data.buffer);
    const base = this.cursor[plane.across] * this.strides[plane.across];
    const [right, down] = [this.strides[plane.right], this.strides[plane.down]];
    const { voxels, grey } = this;
    if (plane.second) {
      pixels.fill(0xff000000);
      if (this.second) layOver(plane, { second: { ...this.second, ...alone(this.second) }, cursor: this.cursor, shape }, pixels, columns, rows);
      for (const mask of this.earlierMasks) tintMask(plane, mask, this.cursor, pixels, columns, rows);
      pen.putImageData(image, 0, 0);
      return;
    }
    for (let row = 0, out = 0; row < rows; row += 1) {
      let at = base + (plane.flip ? rows - 1 - row : row) * down;
      for (let column = 0; column < columns; column += 1, out += 1, at += right) {
        const g = grey[voxels[at] + 32768];
        pixels[out] = 0xff000000 | (g << 16) | (g << 8) | g;
      }
    }
    if (this.second?.opacity) layOver(plane, { second: this.second, cursor: this.cursor, shape }, pixels, columns, rows);
    if (this.organs && this.visible.some(Boolean)) tintOrgans(plane, { ...this, shape }, pixels, columns, rows);
    if (this.ghosts) for (const mask of this.earlierMasks) tintMask(plane, { ...mask, rgb: GHOST, faint: true }, this.cursor, pixels, columns, rows);
    for (const mask of this.masks) tintMask(plane, mask, this.cursor, pixels, columns, rows);
    pen.putImageData(image, 0, 0);
  }

  annotate(plane, pen, ratio) {
    const { width, height } = plane.canvas;
    const at = this.toCanvas(plane, this.cursor);
    pen.lineWidth = ratio;
    pen.strokeStyle = "rgba(90, 190, 255, .55)";
    const gap = 14 * ratio;
    for (const [a, b, c, d] of [
      [0, at.y, at.x - gap, at.y], [at.x + gap, at.y, width, at.y], [at.x, 0, at.x, at.y - gap], [at.x, at.y + gap, at.x, height],
    ]) {
      pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke();
    }
    for (const point of this.points) {
      const off = Math.abs(point.voxel[plane.across] - this.cursor[plane.across]);
      if (off > 1) continue;
      const { x, y } = this.toCanvas(plane, point.voxel);
      pen.globalAlpha = off ? 0.45 : 1;
      pen.strokeStyle = point.kind === "remove" ? "#ff6b6b" : "#69db7c";
      pen.lineWidth = 2 * ratio;
      pen.beginPath(); pen.moveTo(x - 5 * ratio, y); pen.lineTo(x + 5 * ratio, y);
      if (point.kind !== "remove") { pen.moveTo(x, y - 5 * ratio); pen.lineTo(x, y + 5 * ratio); }
      pen.stroke();
      pen.globalAlpha = 1;
    }
    this.drawLine(plane, pen, ratio);
    this.drawStroke(plane, pen, ratio);
    pen.font = `${12 * ratio}px system-ui, sans-serif`;
    pen.fillStyle = "#d7dde3";
    pen.textBaseline = "middle";
    const [left, right, top, bottom] = plane.letters;
    for (const [text, x, y, align] of [
      [left, 6 * ratio, height / 2, "left"], [right, width - 6 * ratio, height / 2, "right"],
      [top, width / 2, 10 * ratio, "center"], [bottom, width / 2, height - 10 * ratio, "center"],
    ]) {
      pen.textAlign = align; pen.fillText(text, x, y);
    }
    const mm = this.study.spacing_mm[plane.across] * this.cursor[plane.across];
    const lines = [
      `${plane.second ? this.second?.words ?? "" : plane.name}  ${this.cursor[plane.across] + 1} / ${this.study.shape[plane.across]}  (${mm.toFixed(0)} mm)`,
      ...(plane.name === "axial"
        ? [`W ${Math.round(this.window.width)}  L ${Math.round(this.window.centre)}`, this.words(this.cursor)]
        : []),
      ...(plane.second && this.second ? [`W ${Math.round(this.second.window.width)}  L ${Math.round(this.second.window.centre)}`] : []),
    ];
    pen.textAlign = "left";
    lines.forEach((text, n) => pen.fillText(text, 8 * ratio, (14 + 15 * n) * ratio));
    const { scale } = this.frame(plane);
    const bar = scale * 50 < width * 0.5 ? 50 : 10;
    pen.fillRect(width - 12 * ratio - bar * scale, height - 12 * ratio, bar * scale, 2 * ratio);
    pen.textAlign = "right";
    pen.fillText(`${bar} mm`, width - 12 * ratio, height - 22 * ratio);
  }

  drawLine(plane, pen, ratio) {
    const line = this.line;
    if (!line || line.plane !== plane.name || line.from[plane.across] !== this.cursor[plane.across]) return;
    const [a, b] = [this.toCanvas(plane, line.from), this.toCanvas(plane, line.to)];
    pen.strokeStyle = pen.fillStyle = "#ffd166";
    pen.lineWidth = 1.5 * ratio;
    pen.font = `${13 * ratio}px system-ui, sans-serif`;
    pen.textAlign = "left";
    if (line.kind === "ellipse") {
      pen.beginPath();
      pen.ellipse((a.x + b.x) / 2, (a.y + b.y) / 2, Math.abs(b.x - a.x) / 2, Math.abs(b.y - a.y) / 2, 0, 0, 7);
      pen.stroke();
      this.statistics(plane).forEach((text, n) => pen.fillText(text, Math.max(a.x, b.x) + 8 * ratio, (a.y + b.y) / 2 + 15 * n * ratio));
      return;
    }
    if (line.kind === "box") {
      pen.strokeRect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x), Math.abs(a.y - b.y));
      return;
    }
    pen.beginPath(); pen.moveTo(a.x, a.y); pen.lineTo(b.x, b.y); pen.stroke();
    pen.fillText(`${this.length().toFixed(1)} mm`, b.x + 8 * ratio, b.y);
  }

  // Mean and standard deviation of the scan, and of the image over it, in the ellipse that is drawn.
  statistics(plane) {
    const { from, to } = this.line;
    const values = [], others = [];
    const [r, d] = [plane.right, plane.down];
    const middle = from.map((v, a) => (v + to[a]) / 2), half = from.map((v, a) => Math.abs(to[a] - v) / 2 + 0.5);
    const voxel = [...this.cursor];
    for (voxel[d] = Math.min(from[d], to[d]); voxel[d] <= Math.max(from[d], to[d]); voxel[d] += 1) {
      for (voxel[r] = Math.min(from[r], to[r]); voxel[r] <= Math.max(from[r], to[r]); voxel[r] += 1) {
        if (((voxel[d] - middle[d]) / half[d]) ** 2 + ((voxel[r] - middle[r]) / half[r]) ** 2 > 1) continue;
        values.push(this.value(voxel));
        const other = this.second ? nearestValue(this.second, voxel) : null;
        if (other !== null) others.push(other);
      }
    }
    const said = (numbers, unit, digits) => {
      const mean = numbers.reduce((sum, v) => sum + v, 0) / numbers.length;
      const sd = Math.sqrt(numbers.reduce((sum, v) => sum + (v - mean) ** 2, 0) / numbers.length);
      return `${unit} ${mean.toFixed(digits)} ± ${sd.toFixed(digits)}`;
    };
    const mm2 = values.length * this.study.spacing_mm[r] * this.study.spacing_mm[d];
    const lines = [said(values, this.study.unit, this.study.unit === "HU" ? 0 : 2), `${mm2.toFixed(0)} mm²`];
    if (others.length) lines.splice(1, 0, said(others, this.second.unit, 2));
    return lines;
  }

  // The stroke under the hand, before the server has answered.
  drawStroke(plane, pen, ratio) {
    const stroke = this.stroke;
    if (!stroke || stroke.plane !== plane.name) return;
    const points = stroke.points.map((voxel) => this.toCanvas(plane, voxel));
    pen.strokeStyle = pen.fillStyle = STROKE_COLOURS[stroke.adds ? "add" : "remove"];
    const wide = stroke.tool === "paint" || stroke.tool === "erase";
    pen.lineWidth = wide ? Math.max(2 * ratio, 2 * this.radius * this.frame(plane).scale) : 2 * ratio;
    pen.lineCap = pen.lineJoin = "round";
    pen.globalAlpha = wide ? 0.5 : 1;
    pen.beginPath();
    points.forEach(({ x, y }, n) => (n ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    if (points.length === 1) pen.lineTo(points[0].x + 0.01, points[0].y);
    if (stroke.tool === "enclose") pen.closePath();
    pen.stroke();
    pen.globalAlpha = 1;
  }

  length() {
    const { from, to } = this.line;
    return Math.hypot(...from.map((v, a) => (to[a] - v) * this.study.spacing_mm[a]));
  }

  listen(plane) {
    const { canvas } = plane;
    const place = (event) => {
      const ratio = window.devicePixelRatio || 1;
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    };
    let drag = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      if (!this.study) return;
      event.preventDefault();
      if (event.ctrlKey) this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
      else this.step(plane.name, (event.deltaY < 0 ? 1 : -1) * (event.shiftKey ? 5 : 1));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.study) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      const at = place(event);
      if (event.pointerType === "touch") this.fingers.set(event.pointerId, at);
      if (this.fingers.size > 1) { drag = null; this.stroke = null; return; }
      drag = { at, last: at, button: event.button, moved: false, shift: event.shiftKey, window: { ...this.window } };
      const voxel = this.toVoxel(plane, ...at);
      if (event.button !== 0 || !this.inside(voxel)) return;
      if (DRAGGED[this.tool]) this.line = { plane: plane.name, from: voxel, to: voxel, kind: DRAGGED[this.tool] };
      if (STROKES.has(this.tool)) {
        const adds = this.tool !== "erase" && !event.shiftKey;
        this.stroke = { plane: plane.name, axis: plane.across, tool: this.tool, adds, ball: event.altKey, points: [voxel] };
        this.draw();
      }
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.study) return;
      const at = place(event);
      const voxel = this.toVoxel(plane, ...at);
      if (this.fingers.has(event.pointerId)) this.pinch(plane, event.pointerId, at);
      if (!drag) { this.events.hover?.(this.inside(voxel) ? this.words(voxel) : ""); return; }
      const [dx, dy] = [at[0] - drag.last[0], at[1] - drag.last[1]];
      if (Math.hypot(at[0] - drag.at[0], at[1] - drag.at[1]) > 4) drag.moved = true;
      drag.last = at;
      if (drag.button === 2) {
        const span = drag.window.width / 300;
        this.setWindow({ width: this.window.width + dx * span, centre: this.window.centre + dy * span });
      } else if (this.stroke) {
        const last = this.stroke.points.at(-1);
        if (this.inside(voxel) && voxel.some((v, a) => v !== last[a]) && this.stroke.points.length < 4000) {
          this.stroke.points.push(voxel);
          this.draw();
        }
      } else if (drag.button === 1 || event.altKey) {
        plane.look.pan = [plane.look.pan[0] + dx, plane.look.pan[1] + dy];
        this.draw();
      } else if (this.line && DRAGGED[this.tool]) {
        if (this.inside(voxel)) { this.line.to = voxel; this.draw(); }
      } else if (this.tool === "look" && this.inside(voxel)) {
        this.jump(voxel);
      }
    });
    const up = (event) => {
      this.fingers.delete(event.pointerId);
      if (!drag) return;
      const { button, moved, shift } = drag;
      drag = null;
      const voxel = this.toVoxel(plane, ...place(event));
      if (this.stroke) {
        // The stroke stays in sight until the answer to it is drawn.
        this.events.stroke(this.stroke);
        return;
      }
      if (button === 0 && this.tool === "box" && this.line?.kind === "box") {
        const { from, to } = this.line;
        this.line = null;
        this.draw();
        if (moved) this.events.box(from, to, plane.across);
        return;
      }
      if (moved || button === 1 || DRAGGED[this.tool]) return;
      if (button === 0 && (this.tool === "look" || STROKES.has(this.tool)) && !shift) {
        if (this.inside(voxel)) this.jump(voxel);
        return;
      }
      this.events.click(voxel, button === 2 || shift || this.tool === "remove" ? "remove" : "add");
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", (event) => { this.fingers.delete(event.pointerId); drag = null; this.stroke = null; this.draw(); });
  }

  // Two fingers move and zoom one plane.
  pinch(plane, finger, at) {
    const others = [...this.fingers].filter(([id]) => id !== finger);
    const before = this.fingers.get(finger);
    this.fingers.set(finger, at);
    if (others.length !== 1) return;
    const [, other] = others[0];
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    const { look } = plane;
    look.zoom = Math.min(Math.max((look.zoom * apart(at)) / Math.max(apart(before), 1), 0.5), 20);
    look.pan = [look.pan[0] + (at[0] - before[0]) / 2, look.pan[1] + (at[1] - before[1]) / 2];
    this.draw();
  }
}
