// Second image, organs and lesions over the grey picture of one plane. Pixels are written in place, once per drawing.

const PALETTES = {
  Inferno: [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]],
  Cividis: [[0, 34, 78], [87, 92, 109], [166, 157, 117], [254, 232, 56]],
  Grey: [[0, 0, 0], [255, 255, 255]],
};
export const PALETTE_NAMES = Object.keys(PALETTES);

export function palette(name) {
  const stops = PALETTES[name];
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n += 1) {
    const at = (n / 255) * (stops.length - 1), k = Math.min(Math.floor(at), stops.length - 2), part = at - k;
    const [r, g, b] = stops[k].map((v, c) => Math.round(v + (stops[k + 1][c] - v) * part));
    table[n] = (b << 16) | (g << 8) | r;
  }
  return table;
}

export const blend = (pixel, [r, g, b], share) => {
  const part = (shift, colour) => Math.round(((pixel >> shift) & 255) * (1 - share) + colour * share) << shift;
  return 0xff000000 | part(16, b) | part(8, g) | part(0, r);
};

// Value of the second image at a point in its own voxels, interpolated; 0 stored units beyond its grid.
function sample(voxels, [d, h, w], i, j, k) {
  if (i < -0.5 || j < -0.5 || k < -0.5 || i > d - 0.5 || j > h - 0.5 || k > w - 0.5) return NaN;
  const clamp = (v, n) => (v < 0 ? 0 : v > n - 1 ? n - 1 : v);
  i = clamp(i, d); j = clamp(j, h); k = clamp(k, w);
  const a = Math.min(i | 0, Math.max(d - 2, 0)), b = Math.min(j | 0, Math.max(h - 2, 0)), c = Math.min(k | 0, Math.max(w - 2, 0));
  const x = i - a, y = j - b, z = k - c;
  const da = d > 1 ? h * w : 0, db = h > 1 ? w : 0, dc = w > 1 ? 1 : 0;
  const at = a * h * w + b * w + c;
  const near = (voxels[at] * (1 - z) + voxels[at + dc] * z) * (1 - y) + (voxels[at + db] * (1 - z) + voxels[at + db + dc] * z) * y;
  const far = (voxels[at + da] * (1 - z) + voxels[at + da + dc] * z) * (1 - y)
    + (voxels[at + da + db] * (1 - z) + voxels[at + da + db + dc] * z) * y;
  return near * (1 - x) + far * x;
}

// Columns of the matrix from voxels of the scan to voxels of the second image.
export const column = (matrix, axis) => [matrix[axis], matrix[4 + axis], matrix[8 + axis]];

export function layOver(plane, { second, cursor, shape }, pixels, columns, rows) {
  const { voxels, matrix, window, opacity, table, fades } = second;
  const low = (window.centre - window.width / 2 - second.intercept) / second.slope;
  const span = window.width / second.slope;
  const [right, down, across] = [plane.right, plane.down, plane.across].map((axis) => column(matrix, axis));
  const base = column(matrix, 3).map((v, a) => v + across[a] * cursor[plane.across]);
  for (let row = 0, out = 0; row < rows; row += 1) {
    const at = plane.flip ? shape[plane.down] - 1 - row : row;
    let i = base[0] + down[0] * at, j = base[1] + down[1] * at, k = base[2] + down[2] * at;
    for (let n = 0; n < columns; n += 1, out += 1, i += right[0], j += right[1], k += right[2]) {
      const value = sample(voxels, second.shape, i, j, k);
      if (!(value === value)) continue;
      const part = (value - low) / span;
      const index = part <= 0 ? 0 : part >= 1 ? 255 : (part * 255) | 0;
      // What does not take up tracer stays the picture that it was.
      const share = fades ? opacity * Math.min(1, index / 64) : opacity;
      if (!share) continue;
      const colour = table[index];
      pixels[out] = blend(pixels[out], [colour & 255, (colour >> 8) & 255, (colour >> 16) & 255], share);
    }
  }
}

export function nearestValue(second, voxel) {
  const at = [0, 1, 2].map((row) => Math.round(
    second.matrix[row * 4] * voxel[0] + second.matrix[row * 4 + 1] * voxel[1] + second.matrix[row * 4 + 2] * voxel[2] + second.matrix[row * 4 + 3],
  ));
  if (at.some((v, a) => v < 0 || v >= second.shape[a])) return null;
  const [, h, w] = second.shape;
  return second.voxels[(at[0] * h + at[1]) * w + at[2]] * second.slope + second.intercept;
}

// Borders and a faint fill of the organs that are switched on.
export function tintOrgans(plane, { organs, visible, colours, cursor, strides, shape }, pixels, columns, rows) {
  const base = cursor[plane.across] * strides[plane.across];
  const [right, down] = [strides[plane.right], strides[plane.down]];
  for (let row = 0, out = 0; row < rows; row += 1) {
    const at = plane.flip ? shape[plane.down] - 1 - row : row;
    let place = base + at * down;
    for (let n = 0; n < columns; n += 1, out += 1, place += right) {
      const label = organs[place];
      if (!label || !visible[label]) continue;
      const edge = n === 0 || n === columns - 1 || row === 0 || row === rows - 1
        || organs[place - right] !== label || organs[place + right] !== label
        || organs[place - down] !== label || organs[place + down] !== label;
      pixels[out] = blend(pixels[out], colours[label], edge ? 0.75 : 0.08);
    }
  }
}

export function tintMask(plane, mask, cursor, pixels, columns, rows) {
  const { start, stop, size, voxels, rgb } = mask;
  const depth = cursor[plane.across] - start[plane.across];
  if (depth < 0 || depth >= size[plane.across]) return;
  const strides = [size[1] * size[2], size[2], 1];
  const there = (down, right) => {
    if (down < 0 || right < 0 || down >= size[plane.down] || right >= size[plane.right]) return 0;
    return voxels[depth * strides[plane.across] + down * strides[plane.down] + right * strides[plane.right]];
  };
  for (let d = start[plane.down]; d < stop[plane.down]; d += 1) {
    const row = plane.flip ? rows - 1 - d : d;
    const down = d - start[plane.down];
    for (let r = start[plane.right]; r < stop[plane.right]; r += 1) {
      const right = r - start[plane.right];
      if (!there(down, right)) continue;
      const edge = !(there(down - 1, right) && there(down + 1, right) && there(down, right - 1) && there(down, right + 1));
      const out = row * columns + r;
      pixels[out] = blend(pixels[out], rgb, edge ? 0.95 : mask.faint ? 0.06 : mask.chosen ? 0.3 : 0.18);
    }
  }
}
