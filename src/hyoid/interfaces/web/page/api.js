// Everything that is said to the server, and refusals as errors with `problem` and `cure`.

export class Refusal extends Error {
  constructor(status, { problem = `The server answered ${status}.`, cure = "" } = {}) {
    super(problem);
    Object.assign(this, { status, problem, cure });
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refusal(0, { problem: "The server does not answer.", cure: "Start hyoid serve again; the session is kept." });
  }
  if (!response.ok) {
    throw new Refusal(response.status, await response.json().catch(() => ({})));
  }
  return response;
}

const json = async (path, options) => (await ask(path, options)).json();
const post = (path, body) => json(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

export const about = () => json("api/about");
export const studies = () => json("api/studies");
export const sessions = () => json("api/sessions");
export const begin = (study) => post("api/sessions", { study });
export const look = (session) => json(`api/sessions/${session}`);
export const act = (session, revision, action) => post(`api/sessions/${session}/actions`, { revision, action });
export const undo = (session, revision) => post(`api/sessions/${session}/undo`, { revision });
export const redo = (session, revision) => post(`api/sessions/${session}/redo`, { revision });
export const brief = (session) => json(`api/sessions/${session}/brief`);
export const takeDraft = (session, revision) => post(`api/sessions/${session}/draft`, { revision });
export const compare = (session, revision, prior) => post(`api/sessions/${session}/prior`, { revision, prior });
export const sendTo = (session, to) => post(`api/sessions/${session}/send`, { to });
export const corrected = (session) => json(`api/sessions/${session}/corrected`);
export const history = (session) => json(`api/sessions/${session}/history`);
export const exportFile = async (session) => (await ask(`api/sessions/${session}/export.zip`)).blob();

export async function image(session) {
  return new Int16Array(await (await ask(`api/sessions/${session}/image`)).arrayBuffer());
}

export async function second(session) {
  return new Int16Array(await (await ask(`api/sessions/${session}/second`)).arrayBuffer());
}

export async function organs(session) {
  return inflated(await (await ask(`api/sessions/${session}/organs`)).blob());
}

const inflated = async (blob) => new Uint8Array(
  await new Response(blob.stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer(),
);

export function upload(file, onProgress) {
  // fetch cannot tell how much it has sent.
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/uploads?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Refusal(0, {
      problem: "The upload was broken off.", cure: "The file may be larger than the server takes, or the server stopped.",
    }));
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* the status says it */ }
      if (request.status === 200) resolve(answer);
      else reject(new Refusal(request.status, answer));
    };
    request.send(file);
  });
}

export const unpackLabels = ({ labels }) => inflated(new Blob([Uint8Array.from(atob(labels), (c) => c.charCodeAt(0))]));

export async function unpackMask({ start, stop, bits }) {
  const packed = Uint8Array.from(atob(bits), (c) => c.charCodeAt(0));
  const bytes = await inflated(new Blob([packed]));
  const size = stop.map((s, a) => s - start[a]);
  const voxels = new Uint8Array(size[0] * size[1] * size[2]);
  for (let n = 0; n < voxels.length; n += 1) voxels[n] = (bytes[n >> 3] >> (n & 7)) & 1;
  return { start, stop, size, voxels };
}
