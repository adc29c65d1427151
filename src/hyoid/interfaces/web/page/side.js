// Lists of studies and sessions, signature, staging, history. Text from files and people is text, never markup.

const $ = (id) => document.getElementById(id);
const make = (tag, className = "", text = "") => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
};

function rows(place, items, words, act) {
  const focused = [...place.querySelectorAll("button")].indexOf(document.activeElement);
  place.replaceChildren(...items.map((item) => {
    const row = make("li");
    const button = make("button");
    button.append(make("span", "name", words(item).name), make("span", "facts", words(item).facts));
    if (words(item).unknown) row.dataset.unknown = "yes";
    button.addEventListener("click", () => act(item));
    row.append(button);
    return row;
  }));
  if (focused >= 0) place.querySelectorAll("button")[focused]?.focus();
}

export function drawStudies(place, studies, sessions, mayChange, act) {
  rows(place, studies, (study) => {
    const own = sessions.filter((session) => session.study === study.key);
    const signed = own.some((session) => session.signed);
    const facts = study.modality
      ? [study.modality, study.slices ? `${study.slices} slices` : "", study.drafted ? "drafted" : "", signed ? "signed" : own.length ? "begun" : ""]
      : ["looking …"];
    return { name: study.name, facts: facts.filter(Boolean).join(" · "), unknown: !study.modality };
  }, act);
  for (const button of place.querySelectorAll("button")) button.disabled = !mayChange;
}

export function drawSessions(place, sessions, act) {
  rows(place, sessions, (s) => ({
    name: s.name || "a study that is not here",
    facts: [
      `${s.lesions} lesion(s)`, `${s.clicks} step(s)`, s.signed ? `signed, version ${s.signed}` : s.accepted ? "accepted" : "", s.owner,
    ].filter(Boolean).join(" · "),
  }), act);
}

export function drawSignature(view, open, mine) {
  const { version, open: unsigned, who, when, addenda } = view.signed;
  $("accept").classList.toggle("on", view.accepted);
  $("accept").textContent = view.accepted ? "Accepted" : "Accept";
  $("accept").disabled = $("sign").disabled = !open;
  $("sign").hidden = !unsigned;
  $("send-to").disabled = unsigned || !mine;
  $("addendum").hidden = $("reopen").hidden = unsigned || !mine;
  $("signature").hidden = unsigned;
  const said = addenda.length ? `, ${addenda.length} addendum(s)` : "";
  $("signature").textContent = unsigned ? "" : `Version ${version} signed${who ? ` by ${who}` : ""} on ${when}${said}. It does not change any more.`;
}

export function drawStaging(view, open) {
  const asked = view.staging;
  if (document.activeElement?.closest("#stage-form")) return;
  $("stage-site").value = asked?.site ?? "";
  $("stage-depth").value = asked?.depth_mm ?? "";
  $("stage-nodes").checked = asked?.all_nodes ?? false;
  for (const field of document.querySelectorAll("#stage-form select, #stage-form input, #stage-form button, #prior")) field.disabled = !open;
}

const DID = {
  begin: "began", draft: "took the draft", lesion: "new lesion", prompt: "click, scribble or box", stroke: "brush, eraser or lasso",
  fill: "filled between slices", retarget: "primary into node, or back", merge: "joined lesions", split: "split a lesion", drop: "dropped a lesion",
  organ: "corrected an organ", copy: "copied a lesion of the earlier scan", overrule: "overruled a line", stage: "asked for staging",
  accept: "accepted", sign: "signed", addendum: "addendum", reopen: "reopened", undo: "undid", redo: "redid", compare: "compared with an earlier scan",
  send: "sent",
};

export function drawHistory(place, entries) {
  const table = make("table");
  const head = make("tr");
  for (const words of ["Step", "When", "Who", "What"]) head.append(make("th", "", words));
  table.append(head);
  for (const { revision, when, who, did, to, result } of entries) {
    const row = make("tr");
    const words = [DID[did] ?? did, to && `to ${to}`].filter(Boolean).join(" ");
    const what = result ? `${words}: ${result}` : words;
    for (const words of [String(revision), when, who, what]) row.append(make("td", "", words ?? ""));
    table.append(row);
  }
  place.replaceChildren(table);
}
