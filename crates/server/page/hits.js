// A hit: what was found, and why.
import * as api from "./api.js";
import { announce, bar, el, isAbort, table } from "./dom.js";
import { chunkHash } from "./route.js";
import { decimal, excerpt, foreign, foreignMarked, placeText, plural, spanOf } from "./text.js";

const LANES_SHOWN = 4;

// A key that may only read gets no more buttons once the service has said so.
let mayJudge = true;

/** Whether a lane is over the text itself; all others are over handles. */
export const isTextLane = (lane) => /^(body|title|concatenated)\./.test(lane);

export const laneClass = (lane) => (isTextLane(lane) ? "text-lane" : "handle-lane");

/**
 * One hit as a list item. Options: `best` the score of the first hit, which a full bar stands for; `query` to judge it
 * by, or none; `note` a line about it; `id` for its link, so that going back finds it.
 */
export function hitItem(hit, { best, query, note, id }) {
  const handle = hit.evidence.find((lane) => lane.handle)?.handle;
  const span = spanOf(handle, hit.text);
  return el(
    "li",
    { class: "hit", "data-hit": true },
    el(
      "h3",
      {},
      el("span", { class: "rank" }, `${hit.rank}.`),
      " ",
      el("a", { href: chunkHash(hit.chunk_id), "data-open": true, id }, foreign(hit.title || hit.document_id)),
    ),
    el("p", { class: "whence" }, whence(hit)),
    note,
    el(
      "div",
      { class: "found" },
      el("p", { class: "snippet", dir: "auto" }, foreignMarked(hit.text, span, excerpt(hit.text, span))),
      el(
        "div",
        { class: "why" },
        handle && el("p", { class: "best" }, handleLine(handle)),
        el("p", { class: "plain-rank" }, `without handles: ${hit.plain_rank ? `rank ${hit.plain_rank}` : "not found"}`),
        shares(hit, best),
      ),
    ),
    details(hit),
    query && mayJudge && verdicts(hit, query),
  );
}

/** A handle in one line: its kind, its text, and what stands behind it. */
export function handleLine(handle) {
  return [
    el("span", { class: "kind" }, foreign(handle.kind)),
    " “",
    foreign(handle.text),
    "” ",
    el("span", { class: `evidence ${handle.evidence}` }, handle.evidence),
  ];
}

function whence(hit) {
  const parts = [foreign(hit.chunk_id)];
  if (hit.document_id !== hit.chunk_id) parts.unshift(foreign(hit.document_id));
  if (hit.source) parts.push(["from ", foreign(hit.source)]);
  if (hit.place?.path) parts.push(foreign(placeText(hit.place)));
  return parts.flatMap((part, at) => (at ? [" · ", part] : [part]));
}

function shares(hit, best) {
  const giving = hit.evidence.filter((lane) => lane.share > 0);
  const more = giving.length - LANES_SHOWN;
  const rest = giving.slice(LANES_SHOWN).reduce((sum, lane) => sum + lane.share, 0);
  const row = (name, share, kind) =>
    el("li", {}, el("span", { class: "lane" }, foreign(name)), el("span", { class: "room" }, bar(share / best, kind)), el("span", { class: "n" }, decimal(share)));
  return el(
    "ul",
    { class: "shares", "aria-label": "What each lane gave to the score" },
    giving.slice(0, LANES_SHOWN).map((lane) => row(lane.lane, lane.share, laneClass(lane.lane))),
    more > 0 && row(plural(more, "other lane"), rest, "other-lanes"),
  );
}

function details(hit) {
  const rows = hit.evidence.map(({ lane, rank, score, share, handle }) => [
    foreign(lane),
    rank || "–",
    decimal(score),
    decimal(share),
    handle ? ["“", foreign(handle.text), "” ", el("small", {}, handle.evidence)] : "",
    handle?.quote ? ["“", foreign(handle.quote), "”"] : "",
  ]);
  const heads = [["lane"], ["rank", true], ["score", true], ["share", true], ["handle"], ["rests on"]];
  return el(
    "details",
    {},
    el("summary", {}, `Score ${decimal(hit.score)} from ${plural(hit.evidence.length, "lane")}`),
    table(`Lanes of hit ${hit.rank}`, heads, rows),
    rows.some((row) => row[1] === "–") && el("p", {}, "A rank of – is behind the last that the lane listed."),
  );
}

function verdicts(hit, query) {
  const button = (name, verdict) => el("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => judge(verdict) }, name);
  const buttons = new Map([
    ["VERDICT_RELEVANT", button("Relevant", "VERDICT_RELEVANT")],
    ["VERDICT_NOT_RELEVANT", button("Not relevant", "VERDICT_NOT_RELEVANT")],
  ]);
  const said = el("small", {});
  const press = (pressed) => buttons.forEach((node, verdict) => node.setAttribute("aria-pressed", String(verdict === pressed)));

  async function judge(verdict) {
    if (buttons.get(verdict).getAttribute("aria-pressed") === "true") return;
    press(verdict);
    said.textContent = "";
    try {
      await api.feedback({ query, chunk_id: hit.chunk_id, verdict });
      said.textContent = "noted";
      announce(`Hit ${hit.rank}: noted.`);
    } catch (error) {
      press(null);
      if (error.status === 403) stopJudging();
      else if (!isAbort(error)) said.textContent = error.message;
    }
  }

  return el("div", { class: "verdicts", role: "group", "aria-label": `Was hit ${hit.rank} what you looked for?` }, [...buttons.values()], said);
}

function stopJudging() {
  mayJudge = false;
  const text = "This key may only read: hits cannot be judged with it.";
  for (const group of document.querySelectorAll(".verdicts")) group.remove();
  document.querySelector("[data-results-note]")?.replaceChildren(text);
  announce(text);
}
