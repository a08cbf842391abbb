// Review: one handle at a time, what it rests on and what doubts it, and what a person says of it.
import * as api from "./api.js";
import { announce, el, field, fill, isAbort, problem, select } from "./dom.js";
import { DONE, Sheet, addedBeside, identity } from "./review-item.js";
import { Queue, agreementTable, clashList, filterForm } from "./review-lists.js";
import { go } from "./route.js";
import { count, foreign, plural } from "./text.js";

export const title = "Review";

const REVIEWER = "frontload.reviewer";
// How far an item is looked for when somebody else has decided it.
const SEARCH_SIZE = 100;

// What outlives the view: who reviews, which decisions they may still undo, the queue they left, a publication under way.
const reviewer = () => localStorage.getItem(REVIEWER) ?? "";
const undoable = [];
let left = null;
let publication = null;

export async function show({ main, parameters, signal }) {
  const desk = new Desk(parameters, signal);
  main.append(...desk.nodes);
  try {
    await desk.open();
  } catch (error) {
    if (error.status !== 404) throw error;
    const note = el("p", {}, "This service takes no reviews. One that does is started by:");
    for (const node of desk.nodes) node.remove();
    main.append(el("div", { class: "note" }, note, el("pre", { tabindex: "0" }, "frontload review")));
  }
}

/** The view: its parts, and what is done with them. */
class Desk {
  constructor(parameters, signal) {
    const value = (name) => parameters.get(name) ?? "";
    const filters = { kind: value("kind"), state: value("state"), source: value("source"), gate: value("gate") };
    this.signal = signal;
    this.kinds = [];
    this.unpublished = 0;
    this.deciding = null;
    // What is said along with the next item.
    this.news = "";

    this.names = el("datalist", { id: "reviewers" });
    this.who = el("div", { class: "who" });
    this.badge = el("span", { class: "badge" });
    this.publishButton = keyButton("publish", "Publish", "p", this.act(() => this.publish()));
    this.publishButton.append(" ", this.badge);
    this.said = el("p", { role: "status", class: "quiet-line" });
    this.kindFilter = select("review-kind", [["", "any"], ...(filters.kind ? [[filters.kind, filters.kind]] : [])], filters.kind);
    this.clashes = el("div", {});
    this.sheet = new Sheet(this.verdictButtons(), {
      withdraw: this.act((item) => this.withdraw(item)),
      readAgain: () => this.readQueue(location.hash),
      leave: () => this.focusItem(),
    });
    this.queue = new Queue(filters, signal, { pick: (at) => this.select(at), readOn: this.act(() => this.queue.load()) });
    this.agreement = el("div", {}, el("p", { class: "quiet-line" }, "Counting…"));
    this.nodes = [
      el("div", { class: "review-head" }, this.who, el("div", { class: "actions" }, this.publishButton, this.said)),
      filterForm(filters, this.kindFilter, (hash) => this.readQueue(hash)),
      this.clashes,
      el("div", { class: "desk" }, this.sheet.node, this.queue.node),
      el("section", {}, el("h2", {}, "Agreement"), this.agreement),
    ];
    this.paintWho();
    this.paintUnpublished();
  }

  verdictButtons() {
    const verdict = (name) => this.act(() => this.say(name));
    return el(
      "div",
      { class: "deciding", role: "group", "aria-label": "What do you say?" },
      keyButton("review-accept", "Accept", "a", verdict("accept"), false),
      keyButton("review-edit", "Edit", "e", () => this.openEdit()),
      keyButton("review-reject", "Reject", "r", verdict("reject")),
      keyButton("review-flag", "Flag", "f", verdict("flag")),
      keyButton("review-undo", "Undo", "u", this.act(() => this.undo())),
      keyButton("review-add", "Add", "n", () => this.openAdd()),
      keyButton("review-previous", "Previous", "k", this.act(() => this.step(-1))),
      keyButton("review-next", "Next", "j", this.act(() => this.step(1))),
    );
  }

  async open() {
    if (publication) this.followPublication();
    const known = left?.hash === location.hash ? left.queue : null;
    this.remember();
    await Promise.all([known ? this.queue.takeUp(known) : this.queue.load(), this.refreshAgreement(), this.refreshClashes()]);
    this.select(known?.at ?? 0, { quietly: true });
  }

  /** Coming back to the same queue, one goes on where one was. */
  remember() {
    const { hash } = location;
    this.signal.addEventListener("abort", () => {
      left = this.isSpent ? null : { hash, queue: this.queue.state };
    });
  }

  /** Reads the queue afresh, perhaps another one. */
  readQueue(hash) {
    this.isSpent = true;
    go(hash);
  }

  /** A listener; what goes wrong is said under the item. */
  act(work) {
    return async (...given) => {
      try {
        await work(...given);
      } catch (error) {
        if (!isAbort(error)) this.sheet.tell(problem(error));
      }
    };
  }

  announce(text) {
    if (!this.signal.aborted) announce(text);
  }

  // Who reviews.

  paintWho(isAsked = reviewer() === "") {
    if (!isAsked) {
      const change = el("button", { type: "button", class: "quiet", id: "change-reviewer", onclick: () => this.askWho() }, "Change");
      this.who.replaceChildren(el("p", {}, "Reviewing as ", el("strong", {}, foreign(reviewer())), " ", change));
      return;
    }
    const box = el("input", {
      id: "reviewer",
      type: "text",
      value: reviewer(),
      list: "reviewers",
      autocomplete: "name",
      maxlength: 80,
      required: true,
      "data-main-box": true,
    });
    const onsubmit = (event) => {
      event.preventDefault();
      if (!box.value.trim()) return;
      localStorage.setItem(REVIEWER, box.value.trim());
      this.paintWho();
      this.focusItem();
    };
    const note = "It is recorded with every decision, and kept in this browser.";
    const parts = el("div", { class: "box" }, field("Who is reviewing?", box, note), el("button", { type: "submit" }, "That is me"));
    this.who.replaceChildren(el("form", { onsubmit }, parts), this.names);
  }

  askWho() {
    this.paintWho(true);
    document.getElementById("reviewer").select();
  }

  // Going through the queue.

  select(at, { quietly = false } = {}) {
    this.queue.select(at);
    const { current, filters } = this.queue;
    if (!current) return this.sheet.paintNone(filters.state ? "There is nothing of that sort." : "There is nothing to review here.");
    this.sheet.paint(current);
    if (!quietly) this.focusItem();
  }

  /** The item is what comes next, unless somebody goes on with the same button. */
  focusItem() {
    const { heading } = this.sheet;
    if (!heading || this.signal.aborted) return;
    const stays = document.activeElement.matches("article button, .queue button");
    if (!stays) heading.focus({ preventScroll: true });
    this.announce(this.news + (stays ? heading.textContent : ""));
    this.news = "";
    heading.scrollIntoView({ block: "nearest" });
  }

  async step(by) {
    const { queue } = this;
    if (queue.at + by >= queue.items.length && queue.next) await queue.load();
    const at = queue.at + by;
    if (at < 0 || at >= queue.items.length) this.announce(by > 0 ? "That was the last one." : "That was the first one.");
    else this.select(at);
  }

  /** On from an item to the next that waits. */
  async goOn(from) {
    // Somebody may have stepped away while it was written down.
    if (this.queue.current !== from) return;
    const at = await this.queue.nextWaiting();
    if (at >= 0) return this.select(at);
    this.select(this.queue.at, { quietly: true });
    this.sheet.tell(el("div", { class: "note" }, el("p", {}, "That was the last one here.")));
    this.announce(`${this.news}That was the last one here.`);
    this.news = "";
  }

  // Decisions.

  async say(verdict) {
    const item = this.queue.current;
    // Saying once more what stands already is no decision.
    if (item?.state === DONE[verdict] || (await this.decide(item, verdict))) await this.goOn(item);
  }

  openEdit() {
    const item = this.queue.current;
    if (!item) return;
    const save = async (to) => {
      if (await this.decide(item, "edit", { to })) await this.goOn(item);
    };
    this.sheet.openEdit(item, this.act(save));
  }

  openAdd() {
    const item = this.queue.current;
    if (!item) return;
    const save = async (kind, text) => {
      const added = addedBeside(item, kind, text);
      const listed = this.queue.listed(added);
      if (!(await this.decide(listed ?? added, "accept"))) return;
      if (!listed) this.queue.insert(added, this.queue.at + 1);
      this.sheet.closeForm();
    };
    this.sheet.openAdd(item, this.kinds, this.act(save));
  }

  /** Has a decision written down; false when it was not, as when another is under way: what comes next was not seen yet. */
  async decide(item, verdict, { to = "", seen = item?.revision } = {}) {
    if (!item || this.deciding || item.isStale) return false;
    const by = reviewer();
    if (!by) {
      this.askWho();
      this.announce("Say who is reviewing first.");
      return false;
    }
    this.deciding = this.record(item, { verdict, to, by, seen });
    try {
      return await this.deciding;
    } finally {
      this.deciding = null;
    }
  }

  async record(item, { verdict, to, by, seen }) {
    const { queue } = this;
    const wasWaiting = queue.isWaiting(item);
    try {
      const { revision, state } = await send({ chunk_id: item.chunk_id, kind: item.kind, text: item.handle.text, verdict, to, by, seen });
      const decided = state === "open" ? { by: "", at: 0 } : { by, at: Math.floor(Date.now() / 1000) };
      Object.assign(item, { revision, state, ...decided, to: state === "edited" ? to : "", clash: null, draft: undefined });
    } catch (error) {
      if (error.status !== 409) throw error;
      if (to) item.draft = to;
      forget(item);
      await this.meetClash(item, error.message);
      return false;
    }
    forget(item);
    if (verdict !== "withdraw") undoable.push({ item, revision: item.revision });
    queue.recount(queue.count + Number(queue.isWaiting(item)) - Number(wasWaiting));
    queue.paint(item);
    this.news = `${DONE[verdict]}: ${to || item.handle.text}. `;
    this.unpublished += 1;
    this.paintUnpublished();
    this.act(() => this.refreshAgreement())();
    return true;
  }

  async withdraw(item, seen = item.revision) {
    const { queue } = this;
    if (!(await this.decide(item, "withdraw", { seen }))) return;
    if (!queue.has(item)) queue.insert(item, Math.max(queue.at, 0));
    this.select(queue.items.indexOf(item));
  }

  /** Takes back the last decision made here; not one that somebody has replaced since. */
  async undo() {
    const last = undoable.at(-1);
    if (last) return this.withdraw(this.queue.listed(last.item) ?? last.item, last.revision);
    const words = "Nothing to undo: nothing was decided here since the page was opened.";
    this.sheet.tell(el("div", { class: "note", role: "alert" }, el("p", {}, words)));
  }

  /** Somebody else decided meanwhile: that is shown, and nothing is replaced before it was seen. */
  async meetClash(item, message) {
    const { queue } = this;
    const fresh = await this.readAgain(item).catch(() => null);
    Object.assign(item, fresh, { isStale: !fresh, clash: message });
    queue.paint(item);
    if (this.signal.aborted) return;
    if (fresh && !queue.has(item)) queue.insert(item, queue.at + 1);
    const at = queue.items.indexOf(item);
    if (at >= 0) this.select(at);
    else this.sheet.tellClash(item);
  }

  /** An item as it stands now. */
  async readAgain(item) {
    const asked = { chunk_id: item.chunk_id, kind: item.kind, state: "all", gate: "all", size: SEARCH_SIZE };
    const page = await api.reviewQueue(asked, this.signal);
    return page.items.find((other) => identity(other) === identity(item)) ?? null;
  }

  // Publishing.

  paintUnpublished() {
    this.badge.hidden = !this.unpublished;
    const words = this.unpublished === 1 ? " unpublished decision" : " unpublished decisions";
    this.badge.replaceChildren(count(this.unpublished), el("span", { class: "unseen" }, words));
  }

  async publish() {
    if (publication) return;
    await this.deciding;
    if (!this.unpublished) await this.refreshAgreement();
    if (publication) return;
    if (!this.unpublished) {
      this.said.textContent = "Everything is published.";
      return;
    }
    publication = api.reviewPublish().finally(() => (publication = null));
    await this.followPublication();
  }

  async followPublication() {
    this.publishButton.setAttribute("aria-disabled", "true");
    this.said.textContent = "Publishing… This takes some seconds; you can go on.";
    try {
      const { generation, handles } = await publication;
      this.said.textContent = `Published: generation ${count(generation)}, ${plural(handles, "handle")}.`;
    } catch (error) {
      this.said.textContent = `Not published: ${error.status === 403 ? "this key may only read" : error.message}`;
    }
    this.publishButton.removeAttribute("aria-disabled");
    if (!this.signal.aborted) this.act(() => Promise.all([this.refreshAgreement(), this.refreshClashes()]))();
  }

  // What was decided, as a whole.

  async refreshAgreement() {
    const told = await api.reviewAgreement(this.signal);
    this.unpublished = Number(told.unpublished);
    this.paintUnpublished();
    this.kinds = told.kinds.map(({ kind }) => kind);
    const offered = new Set([...this.kindFilter.options].map(({ value }) => value));
    this.kindFilter.append(...this.kinds.filter((kind) => !offered.has(kind)).map((kind) => el("option", { value: kind }, kind)));
    this.names.replaceChildren(...told.reviewers.map((name) => el("option", { value: name })));
    this.agreement.replaceChildren(...agreementTable(told));
  }

  async refreshClashes() {
    const { conflicts } = await api.reviewConflicts(this.signal);
    const wasOpen = this.clashes.querySelector("details")?.open ?? false;
    fill(this.clashes, clashList(conflicts, wasOpen, (...chosen) => this.settle(...chosen)));
  }

  /** Says of a passage that changed what was said before, or lets that go. */
  async settle({ chunk_id, kind, text, to: wanted, revision: seen = "" }, verdict, done) {
    const by = reviewer();
    if (!by) return this.askWho();
    await send({ chunk_id, kind, text, verdict, to: verdict === "edit" ? wanted : "", by, seen });
    await Promise.all([this.refreshClashes(), this.refreshAgreement()]);
    this.announce(`${done}: ${wanted || text}`);
    (this.clashes.querySelector("summary") ?? document.querySelector("h1")).focus();
  }
}

/** Has a decision written down. It is not given up with the view: it may be written already. */
async function send(decision) {
  try {
    return await api.reviewDecide(decision);
  } catch (error) {
    throw error.status === 403 ? new Error("This key may only read.") : error;
  }
}

/** An item is decided afresh, or no more: what was said of it before cannot be undone by itself. */
function forget(item) {
  const at = undoable.findIndex((entry) => identity(entry.item) === identity(item));
  if (at >= 0) undoable.splice(at, 1);
}

/** A button that a key presses, too: keys.js looks for the shortcut. */
function keyButton(id, name, key, onclick, quiet = true) {
  const properties = { type: "button", id, class: quiet ? "quiet" : null, "aria-keyshortcuts": key, onclick };
  return el("button", properties, name, " ", el("kbd", { "aria-hidden": "true" }, key));
}
