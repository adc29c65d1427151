// What every key does.

export const KEYS = [
  ["V A X S B", "view, add, remove, scribble, box"],
  ["P D L I", "paint, erase, lasso, fill between slices; comma and full stop: smaller and larger brush"],
  ["M O", "measure a line, an ellipse"],
  ["N, Shift-N", "new primary, new node"],
  ["[ ]", "lesion before, lesion after"],
  ["Up Down, PgUp PgDn", "one slice, five slices"],
  ["Left Right", "one column; with Shift one row"],
  ["1 … 6", "windows, in the order of the list"],
  ["T", "PET or earlier scan over the picture: away and back"],
  ["C", "PET or earlier scan beside the picture, linked"],
  ["J", "copy the earlier lesion at the cross onto this scan"],
  ["Esc", "from an organ back to the lesions"],
  ["G", "outlines of the earlier scan over this one"],
  ["+ − F", "zoom in, zoom out, fit"],
  ["Ctrl-Z Ctrl-Y", "undo, redo"],
  ["H", "show lines that are Missing"],
  ["Space", "add at the cross; with Shift remove"],
  ["Ctrl-Enter", "accept the report"],
  ["E", "export"],
  ["Mouse", "wheel: slices (Ctrl: zoom); right drag: window; Alt or middle drag: move; Shift or right click: remove"],
  ["Touch", "one finger as the mouse; two fingers move and zoom"],
];

export function keyActions(event, act) {
  const control = event.ctrlKey || event.metaKey;
  const { viewer } = act;
  const cursor = [...viewer.cursor];
  const move = (axis, by) => { cursor[axis] += by; viewer.jump(cursor); };
  const actions = control ? {
    z: () => act.press(event.shiftKey ? "redo" : "undo"),
    y: () => act.press("redo"),
    Enter: () => act.press("accept"),
  } : {
    v: () => act.tool("look"), a: () => act.tool("add"), x: () => act.tool("remove"), s: () => act.tool("scribble"),
    b: () => act.tool("box"), p: () => act.tool("paint"), d: () => act.tool("erase"), l: () => act.tool("enclose"),
    m: () => act.tool("measure"), o: () => act.tool("ellipse"), i: () => act.fill(), t: () => act.flicker(), c: () => act.press("beside"),
    j: () => act.copyHere(), Escape: () => act.correct(0), g: () => act.ghosts(),
    ",": () => act.radius(-0.5), ".": () => act.radius(0.5),
    n: () => act.newLesion("GTVp"), N: () => act.newLesion("GTVn"),
    "[": () => act.next(-1), "]": () => act.next(1),
    ArrowUp: () => move(0, 1), ArrowDown: () => move(0, -1), PageUp: () => move(0, 5), PageDown: () => move(0, -5),
    ArrowLeft: () => move(event.shiftKey ? 1 : 2, -1), ArrowRight: () => move(event.shiftKey ? 1 : 2, 1),
    "+": () => viewer.zoom(1.2), "=": () => viewer.zoom(1.2), "-": () => viewer.zoom(1 / 1.2), f: () => viewer.fit(),
    h: () => act.press("missing"), e: () => act.press("export"), "?": () => act.help(),
    " ": () => act.clicked(viewer.cursor, event.shiftKey ? "remove" : "add"),
  };
  return actions[event.key] ?? (!control && /^[1-6]$/.test(event.key) ? () => act.chooseWindow(Number(event.key) - 1) : null);
}
