// The lists of Review: the queue and what is shown of it, how often people agree, decisions whose passage changed.
import * as api from "./api.js";
import { el, field, fill, isAbort, scrollWithin, select, table } from "./dom.js";
import { DONE, REASONS, SOURCES, identity } from "./review-item.js";
import { hashOf } from "./route.js";
import { ago, count, decimal, foreign, foreignMarked, plural, quoted } from "./text.js";

const PAGE_SIZE = 20;
const STATES = [["", "open"], ["decided", "decided"], ["flagged", "flagged"], ["all", "all"]];
const GATES = [["", "let through"], ["any", "let through or not"], ...Object.entries(REASONS).map(([name, words]) => [name, `turned away: ${words}`])];

/** What is shown of the queue, as a form; `show` is given the hash of what was chosen. */
export function filterForm(filters, kinds, show) {
  const controls = {
    kind: kinds,
    state: select("review-state", STATES, filters.state),
    source: select("review-source", SOURCES, filters.source),
    gate: select("review-gate", GATES, filters.gate),
  };
  const onsubmit = (event) => {
    event.preventDefault();
    show(hashOf("review", Object.fromEntries(Object.entries(controls).map(([name, { value }]) => [name, value]))));
  };
  const set = Object.entries(filters).filter(([, value]) => value);
  const fields = [
    field("Kind", controls.kind),
    field("State", controls.state),
    field("Written by", controls.source),
    field("By the gates", controls.gate),
  ];
  return el(
    "form",
    { class: "ask", onsubmit },
    el(
      "details",
      { class: "options" },
      el("summary", {}, "Filters", set.map(([name, value], at) => [at ? ", " : ": ", `${name} `, foreign(value)])),
      el("div", { class: "fields" }, fields),
      el("button", { type: "submit", class: "quiet", id: "review-filter" }, "Show these"),
    ),
  );
}

/** The items that were read so far, and the one that is looked at. */
export class Queue {
  constructor(filters, signal, { pick, readOn }) {
    this.filters = filters;
    this.signal = signal;
    this.pick = pick;
    this.items = [];
    this.entries = new Map();
    this.current = undefined;
    this.next = "";
    this.count = 0;
    this.line = el("p", { class: "quiet-line" });
    this.list = el("ol", { class: "queue" });
    this.more = el("button", { type: "button", class: "quiet", id: "review-more", hidden: true, onclick: readOn }, "Show more");
    this.node = el("section", {}, el("h2", {}, "Queue"), this.line, this.list, this.more);
  }

  get at() {
    return this.items.indexOf(this.current);
  }

  /** What another queue needs to go on where this one is. */
  get state() {
    return { items: this.items, at: Math.max(this.at, 0), next: this.next, count: this.count };
  }

  takeUp({ items, next, count: counted }) {
    for (const item of items) this.insert(item, this.items.length);
    this.next = next;
    this.recount(counted);
  }

  /** Reads on. */
  async load() {
    const page = await api.reviewQueue({ ...this.filters, size: PAGE_SIZE, after: this.next }, this.signal);
    // An item that was decided meanwhile may have moved what stands on a page.
    const fresh = page.items.filter((item) => !this.has(item));
    this.takeUp({ items: fresh, next: page.next, count: Number(page.left) });
  }

  /** Whether an item still waits for a decision. */
  isWaiting = (item) => this.filters.state !== "" || item.state === "open";

  /** Where the next item that waits is, also one that was passed over; -1 when there is none. */
  async nextWaiting() {
    const find = () => this.items.findIndex((item, at) => at > this.at && this.isWaiting(item));
    let at = find();
    while (at < 0 && this.next) {
      await this.load();
      at = find();
    }
    return at < 0 && !this.filters.state ? this.items.findIndex(this.isWaiting) : at;
  }

  has(item) {
    return this.entries.has(identity(item));
  }

  /** The item as it is listed; undefined when it is not. */
  listed(item) {
    return this.items.find((other) => identity(other) === identity(item));
  }

  insert(item, at) {
    const entry = el("button", { type: "button", class: "entry", onclick: () => this.pick(this.items.indexOf(item)) });
    this.entries.set(identity(item), entry);
    this.list.insertBefore(el("li", {}, entry), this.list.children[at] ?? null);
    this.items.splice(at, 0, item);
    this.paint(item);
  }

  /** Looks at the item at a place, or at the last. */
  select(at) {
    const before = this.current;
    this.current = this.items[Math.min(at, this.items.length - 1)];
    if (before) this.paint(before);
    if (!this.current) return;
    this.paint(this.current);
    scrollWithin(this.list, this.entries.get(identity(this.current)));
  }

  paint(item) {
    const entry = this.entries.get(identity(item));
    if (!entry) return;
    const state = item.state !== "open" && [" ", el("span", { class: `state ${item.state}` }, item.state)];
    fill(entry, el("span", { class: "kind" }, foreign(item.kind)), " ", foreign(item.to || item.handle.text), state);
    if (item === this.current) entry.setAttribute("aria-current", "true");
    else entry.removeAttribute("aria-current");
  }

  recount(counted) {
    this.count = counted;
    this.more.hidden = !this.next;
    const words = `${plural(counted, "handle")} ${this.filters.state ? "in all" : "to go"}`;
    this.line.textContent = this.items.length ? words : "Nothing.";
  }
}

/** How often people agree with what was written, by kind. */
export function agreementTable({ kinds, reviewers }) {
  const states = ["accepted", "edited", "rejected", "flagged", "open"];
  const heads = [["kind"], ["agreement (95%)", true], ...states.map((name) => [name, true])];
  const rows = kinds.map((kind) => [foreign(kind.kind), rate(kind), ...states.map((name) => count(kind[name]))]);
  const names = reviewers.map((name, at) => [at ? ", " : "", foreign(name)]);
  const who = names.length ? ["Reviewed by ", names] : "Reviewed by nobody yet.";
  return [table("Agreement by kind", heads, rows), el("p", { class: "quiet-line" }, who)];
}

function rate({ accepted, edited, rejected, agreement, low, high }) {
  const decided = Number(accepted) + Number(edited) + Number(rejected);
  return decided ? `${decimal(agreement, 2)} (${decimal(low, 2)} to ${decimal(high, 2)})` : "–";
}

/** Decisions whose passage is no longer what it was; `decide` is given one, a verdict and what that is called. */
export function clashList(conflicts, isOpen, decide) {
  if (!conflicts.length) return null;
  const summary = el("summary", {}, `${plural(conflicts.length, "decision")} on passages that changed`);
  const list = el("ul", { class: "handles" }, conflicts.map((conflict) => clashItem(conflict, decide)));
  return el("details", { class: "clashes warning", open: isOpen }, summary, list);
}

function clashItem(conflict, decide) {
  const { chunk_id: chunk, kind, text, verdict, to, by, at, why, now } = conflict;
  const said = el("small", { role: "status" });
  const button = (name, chosen, done) => {
    const onclick = async () => {
      said.textContent = "";
      try {
        await decide(conflict, chosen, done);
      } catch (error) {
        if (!isAbort(error)) said.textContent = error.message;
      }
    };
    return el("button", { type: "button", class: "quiet", "aria-label": `${name}: ${to || text}`, onclick }, name);
  };
  const decided = el("span", { class: "state" }, DONE[verdict] ?? foreign(verdict));
  return el(
    "li",
    {},
    el("p", {}, el("span", { class: "kind" }, foreign(kind)), " ", quoted(text), " ", decided, to && [" to ", quoted(to)]),
    el("p", { class: "whence" }, foreign(chunk), " · ", foreign(by), ` · ${ago(at)} · `, foreign(why)),
    now && el("details", {}, el("summary", {}, "The passage now"), el("div", { class: "text", dir: "auto" }, foreignMarked(now, null))),
    el("div", { class: "verdicts" }, now && button("Carry over", verdict, "Carried over"), button("Let go", "withdraw", "Let go"), said),
  );
}
