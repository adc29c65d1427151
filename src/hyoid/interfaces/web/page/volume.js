// The scan in three dimensions and cut obliquely, by NiiVue (vendor/), which is fetched when it is asked for: it is 2 MB.

const EDGE = 256;   // voxels along an edge that are rendered at most
const SCAN_KIND = 4, LABEL_KIND = 2;   // NIfTI: int16, uint8

export class VolumeView {
  constructor(canvas) {
    this.canvas = canvas;
    this.cut = { depth: 0, azimuth: 90, elevation: 0 };
  }

  // Draw scan and lesions anew; resolves when they are drawn.
  async show(study, voxels, masks) {
    const nv = this.nv ?? await this.begin();
    const step = study.shape.map((n) => Math.max(1, Math.ceil(n / EDGE)));
    if (this.voxels !== voxels) {
      this.voxels = voxels;
      const scan = thinned(voxels, study.shape, step, Int16Array);
      this.nv.volumes.slice().forEach((volume) => nv.removeVolume(volume));
      const image = await this.image(scan, study, step, SCAN_KIND, "scan.nii");
      const window = study.windows.find((w) => w.name === "Bone") ?? study.windows[0];
      const stored = (value) => (value - study.intercept) / study.slope;
      Object.assign(image, { cal_min: stored(window.centre - window.width / 2), cal_max: stored(window.centre + window.width / 2) });
      nv.addVolume(image);
    } else {
      nv.volumes.slice(1).forEach((volume) => nv.removeVolume(volume));
    }
    const { labels, table } = painted(study.shape, step, masks);
    const overlay = await this.image({ voxels: labels, shape: study.shape.map((n, a) => Math.ceil(n / step[a])) }, study, step, LABEL_KIND, "outlines.nii");
    overlay.setColormapLabel(table);
    nv.addVolume(overlay);
    nv.updateGLVolume();
    this.turn();
  }

  async begin() {
    const { Niivue, NVImage } = await fetched("vendor/niivue.umd.js");
    this.NVImage = NVImage;
    this.nv = new Niivue({
      backColor: [0, 0, 0, 1], show3Dcrosshair: false, dragAndDropEnabled: false, loadingText: "", isOrientCube: true, logLevel: "error",
    });
    await this.nv.attachToCanvas(this.canvas);
    this.nv.setSliceType(this.nv.sliceTypeRender);
    return this.nv;
  }

  async image({ voxels, shape }, study, step, kind, name) {
    // Slices feet to head, rows front to back, columns right to left: RAS has the last two the other way round.
    const [d, h, w] = shape;
    const [md, mh, mw] = study.spacing_mm.map((mm, a) => mm * step[a]);
    const affine = [-mw, 0, 0, (mw * w) / 2, 0, -mh, 0, (mh * h) / 2, 0, 0, md, (-md * d) / 2, 0, 0, 0, 1];
    const file = this.NVImage.createNiftiArray([w, h, d], [mw, mh, md], affine, kind, voxels);
    return this.NVImage.new(file.buffer, name, kind === SCAN_KIND ? "gray" : "red", 1);
  }

  // A depth of 2 takes the cutting plane away.
  turn(cut = this.cut) {
    this.cut = cut;
    this.nv?.setClipPlane([cut.depth, cut.azimuth, cut.elevation]);
  }
}

// NiiVue comes as a script that leaves its names in the window.
function fetched(path) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = path;
    script.onload = () => done(window.niivue);
    script.onerror = () => failed(new Error("NiiVue could not be read."));
    document.head.append(script);
  });
}

function thinned(voxels, shape, step, Kind) {
  const [d, h, w] = shape.map((n, a) => Math.ceil(n / step[a]));
  const out = new Kind(d * h * w);
  for (let i = 0, at = 0; i < d; i += 1) for (let j = 0; j < h; j += 1) {
    const row = (i * step[0] * shape[1] + j * step[1]) * shape[2];
    for (let k = 0; k < w; k += 1, at += 1) out[at] = voxels[row + k * step[2]];
  }
  return { voxels: out, shape: [d, h, w] };
}

// Lesions as one label map with its colours. The labels are high: NiiVue blends the first entries of a table into what has no label.
function painted(shape, step, masks) {
  const [d, h, w] = shape.map((n, a) => Math.ceil(n / step[a]));
  const labels = new Uint8Array(d * h * w);
  const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
  const add = (label, [r, g, b], alpha) => {
    table.R.push(r); table.G.push(g); table.B.push(b); table.A.push(alpha); table.I.push(label); table.labels.push("");
  };
  masks.forEach(({ start, size, voxels, rgb }, n) => {
    const label = 240 + (n % 15);
    if (n < 15) add(label, rgb, 255);
    for (let i = 0; i < size[0]; i += 1) for (let j = 0; j < size[1]; j += 1) for (let k = 0; k < size[2]; k += 1) {
      if (!voxels[(i * size[1] + j) * size[2] + k]) continue;
      const [a, b, c] = [i + start[0], j + start[1], k + start[2]].map((v, axis) => Math.floor(v / step[axis]));
      labels[(a * h + b) * w + c] = label;
    }
  });
  return { labels, table };
}
