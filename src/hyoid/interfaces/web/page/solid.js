// The outlines' surfaces, turned by hand: points with a shade, drawn back to front by a depth buffer.

export class Solid {
  constructor(canvas) {
    this.canvas = canvas;
    this.turn = [0.5, -0.25];
    this.masks = [];
    let last = null;
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); last = [event.clientX, event.clientY]; });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) return;
      this.turn[0] += (event.clientX - last[0]) / 120;
      this.turn[1] = Math.max(-1.5, Math.min(1.5, this.turn[1] + (event.clientY - last[1]) / 120));
      last = [event.clientX, event.clientY];
      this.draw();
    });
    canvas.addEventListener("pointerup", () => { last = null; });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(masks, spacing) {
    this.spacing = spacing;
    this.clouds = masks.map((mask) => ({ rgb: mask.rgb, points: surface(mask, spacing) }));
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, width, height);
    const clouds = this.clouds?.filter((cloud) => cloud.points.length) ?? [];
    pen.fillStyle = "#97a1aa";
    pen.font = "12px system-ui, sans-serif";
    if (!clouds.length) { pen.fillText("3D: no outline yet", 8, 16); return; }
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (const { points } of clouds) {
      for (let n = 0; n < points.length; n += 6) {
        for (let a = 0; a < 3; a += 1) { low[a] = Math.min(low[a], points[n + a]); high[a] = Math.max(high[a], points[n + a]); }
      }
    }
    const middle = low.map((v, a) => (v + high[a]) / 2);
    const scale = (0.8 * Math.min(width, height)) / Math.hypot(...low.map((v, a) => high[a] - v));
    const [c1, s1, c2, s2] = [Math.cos(this.turn[0]), Math.sin(this.turn[0]), Math.cos(this.turn[1]), Math.sin(this.turn[1])];
    const image = pen.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer).fill(0xff000000);
    const depth = new Float32Array(width * height).fill(Infinity);
    const dot = Math.max(1, Math.ceil(scale * Math.max(...this.spacing)));
    for (const { rgb, points } of clouds) {
      for (let n = 0; n < points.length; n += 6) {
        // x to the patient's left, y up (head), z away from the viewer (back).
        const x = points[n + 2] - middle[2], y = points[n] - middle[0], z = points[n + 1] - middle[1];
        const rx = x * c1 + z * s1, rz = -x * s1 + z * c1;
        const ry = y * c2 - rz * s2, far = y * s2 + rz * c2;
        const nz = (-points[n + 5] * s1 + points[n + 4] * c1) * c2 + points[n + 3] * s2;
        const shade = 0.3 + 0.7 * Math.max(0, -nz);
        const colour = 0xff000000 | (rgb[2] * shade << 16) | (rgb[1] * shade << 8) | rgb[0] * shade;
        const left = Math.round(width / 2 + rx * scale - dot / 2), top = Math.round(height / 2 - ry * scale - dot / 2);
        for (let v = Math.max(0, top); v < Math.min(height, top + dot); v += 1) {
          for (let u = Math.max(0, left); u < Math.min(width, left + dot); u += 1) {
            const at = v * width + u;
            if (far < depth[at]) { depth[at] = far; pixels[at] = colour; }
          }
        }
      }
    }
    pen.putImageData(image, 0, 0);
    pen.fillText("3D, drag to turn", 8, 16);
  }
}

// Surface voxels as (slice, row, column) in mm, each with the direction out of the mask.
function surface({ start, size, voxels }, spacing) {
  const [d, h, w] = size;
  const points = [];
  const at = (i, j, k) => (i < 0 || j < 0 || k < 0 || i >= d || j >= h || k >= w ? 0 : voxels[(i * h + j) * w + k]);
  for (let i = 0; i < d; i += 1) for (let j = 0; j < h; j += 1) for (let k = 0; k < w; k += 1) {
    if (!at(i, j, k)) continue;
    let n = [at(i - 1, j, k) - at(i + 1, j, k), at(i, j - 1, k) - at(i, j + 1, k), at(i, j, k - 1) - at(i, j, k + 1)];
    if (at(i - 1, j, k) && at(i + 1, j, k) && at(i, j - 1, k) && at(i, j + 1, k) && at(i, j, k - 1) && at(i, j, k + 1)) continue;
    n = n.map((v, a) => v / spacing[a]);
    const length = Math.hypot(...n) || 1;
    points.push((i + start[0]) * spacing[0], (j + start[1]) * spacing[1], (k + start[2]) * spacing[2], ...n.map((v) => v / length));
  }
  return Float32Array.from(points);
}
