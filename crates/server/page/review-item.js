// One item of Review: what it says, what it rests on, what doubts it, and the fields that open under it.
import { bar, el, facts, field, fill, scrollWithin, select } from "./dom.js";
import { handleLine } from "./hits.js";
import { chunkHash } from "./route.js";
import { ago, decimal, foreign, foreignMarked, groundsOf, quoted } from "./text.js";

export const SOURCES = [["", "any"], ["model", "a model"], ["rule", "a rule"], ["import", "an import"], ["person", "a person"]];
export const REASONS = {
  not_in_text: "not in the text",
  not_a_time: "no time",
  echo: "echo of the prompt",
  filler: "filler",
  copy: "copy of the text",
  duplicate: "duplicate",
  round_trip: "does not lead back",
  unsafe: "unsafe characters",
  too_long: "too long or too many",
  not_a_value: "not an allowed value",
};
// What a decision leads to, as items and messages say it.
export const DONE = { accept: "accepted", edit: "edited", reject: "rejected", flag: "flagged", withdraw: "withdrawn" };

export const identity = ({ chunk_id: chunk, kind, handle }) => JSON.stringify([chunk, kind, handle.text]);

/** A handle that nobody has said yet of the passage of another. */
export function addedBeside({ chunk_id, document_id, title, text: passage }, kind, text) {
  return {
    chunk_id,
    document_id,
    title,
    text: passage,
    kind,
    handle: { text, evidence: "", quote: "", span_start: 0, span_end: 0 },
    source: "person",
    gate: "",
    state: "open",
    by: "",
    at: 0,
    to: "",
    revision: "",
    impact: 0,
    doubt: 0,
  };
}

/** The item as it is shown, around the buttons that decide it. Does what it is given to `withdraw`, `readAgain` and `leave` a field. */
export class Sheet {
  constructor(buttons, { withdraw, readAgain, leave }) {
    this.buttons = buttons;
    this.withdraw = withdraw;
    this.readAgain = readAgain;
    this.leave = leave;
    this.head = el("div", {});
    this.form = el("div", {});
    this.told = el("div", {});
    this.ground = el("div", {}, el("p", { class: "quiet-line" }, "Reading…"));
    this.node = el("article", { "aria-label": "The handle" }, this.head, this.form, buttons, this.told, this.ground);
    buttons.hidden = true;
  }

  get heading() {
    return this.head.querySelector("h2");
  }

  tell(...nodes) {
    this.told.replaceChildren(...nodes);
  }

  paintNone(words) {
    this.buttons.hidden = true;
    this.form.replaceChildren();
    this.tell();
    this.head.replaceChildren(el("p", {}, words));
    this.ground.replaceChildren();
  }

  paint(item) {
    this.buttons.hidden = false;
    this.form.replaceChildren();
    this.tell();
    fill(this.head, el("h2", { tabindex: "-1", id: "review-item" }, handleLine({ ...item.handle, kind: item.kind })), this.decisionLine(item));
    if (item.clash) this.tellClash(item);
    const grounds = groundsOf(item.handle, item.text);
    const passage = el("div", { class: "text passage", dir: "auto", tabindex: "0", role: "group", "aria-label": "Passage" }, foreignMarked(item.text, grounds));
    fill(
      this.ground,
      el("h3", {}, el("a", { href: chunkHash(item.chunk_id), id: "review-chunk" }, foreign(item.title || item.document_id))),
      el("p", { class: "whence" }, foreign(item.chunk_id)),
      passage,
      !grounds && el("p", { class: "quiet-line" }, "No words of the passage are named for it."),
      known(item),
    );
    const mark = passage.querySelector("mark");
    if (mark) scrollWithin(passage, mark, 24);
  }

  /** What was decided, by whom, and the way back. */
  decisionLine(item) {
    if (item.state === "open") return null;
    const by = item.by && [" by ", foreign(item.by)];
    const when = Number(item.at) > 0 ? `, ${ago(item.at)}` : "";
    const withdraw = el("button", { type: "button", class: "quiet", id: "review-withdraw", onclick: () => this.withdraw(item) }, "Withdraw");
    const state = el("span", { class: `state ${item.state}` }, item.state);
    return el("p", { class: "decided" }, state, item.to && [" to ", quoted(item.to)], by, when, " ", withdraw);
  }

  /** Says that somebody else decided meanwhile. */
  tellClash(item) {
    const said = item.isStale ? "How it stands now could not be read." : "It is shown as it stands now: what you decide next replaces that.";
    const draft = item.draft && [" Your text is kept: ", el("kbd", {}, "e"), " brings it back."];
    const again = item.isStale && el("button", { type: "button", onclick: this.readAgain }, "Read the queue again");
    const words = el("p", {}, el("strong", {}, "Not recorded. "), foreign(item.clash), ". ", said, draft);
    this.tell(el("div", { class: "problem", role: "alert" }, words, again));
  }

  openEdit(item, save) {
    const stands = item.to || item.handle.text;
    const box = textBox("review-text", item.draft ?? stands);
    // What was typed and not saved is still there.
    box.oninput = () => (item.draft = box.value);
    this.openForm(box, field("What should it say?", box, "Enter saves, Esc leaves."), () => {
      const to = box.value.trim();
      if (!to) complain(box, "It says nothing. Leave and reject it instead.");
      else if (to === stands) complain(box, "Nothing is changed. Leave and accept it instead.");
      else save(to);
    });
  }

  openAdd(item, kinds, save) {
    const offered = kinds.includes(item.kind) ? kinds : [item.kind, ...kinds];
    const kind = select("review-add-kind", offered.map((name) => [name, name]), item.kind);
    const box = textBox("review-add-text");
    this.openForm(box, [field("Kind", kind), field("What does the passage say besides?", box, "Enter saves, Esc leaves.")], () => {
      const text = box.value.trim();
      if (text) save(kind.value, text);
      else complain(box, "It says nothing.");
    });
  }

  openForm(box, controls, save) {
    const onsubmit = (event) => {
      event.preventDefault();
      save();
    };
    const onkeydown = (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.preventDefault();
      this.closeForm();
    };
    const leave = el("button", { type: "button", class: "quiet", onclick: () => this.closeForm() }, "Leave");
    const parts = el("div", { class: "box" }, controls, el("button", { type: "submit" }, "Save"), leave);
    this.form.replaceChildren(el("form", { class: "inline", onsubmit, onkeydown }, parts));
    box.focus();
    box.select();
  }

  closeForm() {
    this.form.replaceChildren();
    this.leave();
  }
}

/** What speaks for an item and against it. */
function known({ handle, doubt, impact, gate, gate_detail: detail, source }) {
  const weight = [el("span", { class: "room" }, bar(doubt, "handle-lane")), el("span", { class: "n" }, decimal(doubt, 2))];
  return facts([
    ["doubt", el("span", { class: "weight" }, weight)],
    ["searches it decides", decimal(impact, 1)],
    ["turned away", gate && [REASONS[gate] ?? foreign(gate), detail && [": ", foreign(detail)]]],
    ["rests on", handle.quote && handle.quote !== handle.text ? quoted(handle.quote) : null],
    ["written by", SOURCES.find(([name]) => name === source)?.[1] ?? foreign(source)],
  ]);
}

function textBox(id, value) {
  return el("input", { id, type: "text", dir: "auto", value, autocomplete: "off", maxlength: 1000 });
}

function complain(box, words) {
  document.getElementById(`${box.id}-problem`).textContent = words;
  box.setAttribute("aria-invalid", "true");
  box.focus();
}
