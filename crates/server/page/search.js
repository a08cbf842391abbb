// Search: one query, its hits, and beside them what the text alone would have found.
import * as api from "./api.js";
import { announce, checkbox, degraded, el, field, problem, select } from "./dom.js";
import { hitItem } from "./hits.js";
import { go, hashOf } from "./route.js";
import { count, foreign, milliseconds, plural } from "./text.js";

export const title = "Search";

const FUSIONS = [
  ["", "as the index says"],
  ["FUSION_METHOD_CONVEX", "convex combination"],
  ["FUSION_METHOD_RRF", "reciprocal rank"],
];

// After a query is sent, the hits are what comes next, for the eye and for j and k; after a box is ticked, they are not.
let focusHits = false;

export async function show({ main, heading, parameters, signal, nameTab }) {
  heading.className = "unseen";
  const query = parameters.get("q") ?? "";
  const wanted = {
    query,
    k: Number(parameters.get("k")) || 10,
    fusion: parameters.get("fusion") || "FUSION_METHOD_UNSPECIFIED",
    during: parameters.get("during") ?? "",
    filter: parameters.get("filter") ?? "",
    group: parameters.has("group"),
  };
  const results = el("div", { class: "results" });
  main.append(form(parameters), results);
  const moveFocus = focusHits;
  focusHits = false;
  if (!query) return;
  nameTab(query);
  results.append(el("p", { class: "quiet-line" }, "Searching…"));
  const sets = parameters.has("plain") ? ["LANE_SET_PLAIN", "LANE_SET_ALL"] : ["LANE_SET_ALL"];
  let responses;
  try {
    // Together, so that both stand in one generation.
    responses = await api.searchAll(sets.map((lane_set) => ({ ...wanted, lane_set })), signal);
  } catch (error) {
    results.replaceChildren();
    if (signal.aborted) return;
    if (!showViolations(error)) results.append(problem(error, () => go(location.hash)));
    return;
  }
  const columns = responses.length === 2 ? sideBySide(responses, wanted) : column(responses[0], "", wanted, () => null, "hit");
  results.replaceChildren(el("p", { class: "quiet-line", "data-results-note": true }), columns);
  announce(responses.map((response) => plural(response.hits.length, "hit")).join(" and "));
  if (moveFocus) results.querySelector("h2").focus({ preventScroll: true });
}

function form(parameters) {
  const value = (name) => parameters.get(name) ?? "";
  const box = el("input", { id: "q", type: "search", value: value("q"), "data-main-box": true, autocomplete: "off", maxlength: 4096, enterkeyhint: "search" });
  const k = el("input", { id: "k", type: "number", min: 1, max: 100, value: value("k") || 10 });
  const fusion = select("fusion", FUSIONS, value("fusion"));
  const during = el("input", { id: "during", type: "text", value: value("during"), autocomplete: "off", spellcheck: "false" });
  const filter = el("input", { id: "filter", type: "text", value: value("filter"), autocomplete: "off", spellcheck: "false", maxlength: 4096 });
  const send = () => {
    const number = Number(k.value);
    const ticked = (id) => document.getElementById(id).checked;
    const text = { during: during.value.trim(), filter: filter.value.trim(), fusion: fusion.value };
    go(hashOf("search", { q: box.value.trim(), k: number === 10 ? "" : number, plain: ticked("plain"), group: ticked("group"), ...text }));
  };
  const isSet = ["k", "fusion", "during", "filter"].some((name) => parameters.has(name));
  return el(
    "form",
    {
      role: "search",
      class: "ask",
      onsubmit: (event) => {
        event.preventDefault();
        focusHits = box.value.trim() !== "";
        send();
      },
    },
    el("div", { class: "box" }, field("What are you looking for?", box), el("button", { type: "submit" }, "Search")),
    el(
      "div",
      { class: "checks" },
      checkbox("plain", "Side by side with text alone", parameters.has("plain"), send),
      checkbox("group", "Only the best chunk of each document", parameters.has("group"), send),
    ),
    el(
      "details",
      { open: isSet, class: "options" },
      el("summary", {}, "Options"),
      el(
        "div",
        { class: "fields" },
        field("Hits", k),
        field("Rankings joined by", fusion),
        field("Tells of a time within", during, "1883, 1883..1890 or 1883-03-12..1884-01"),
        field("Filter", filter, "source = letters and meta.year >= 1900 and not has handle.mood"),
      ),
    ),
  );
}

/** Puts each violation beside the control it names; false when one names none of them. */
function showViolations(error) {
  const names = { query: "q" };
  const placed = (error.violations ?? []).map(({ field: name, description }) => {
    const control = document.getElementById(names[name] ?? name);
    const text = document.getElementById(`${names[name] ?? name}-problem`);
    if (!control || !text) return null;
    control.closest("details")?.setAttribute("open", "");
    control.setAttribute("aria-invalid", "true");
    text.textContent = description;
    return control;
  });
  if (!placed.length || placed.includes(null)) return false;
  placed[0].focus();
  announce(error.message);
  return true;
}

function sideBySide([plain, all], wanted) {
  const identity = (hit) => (wanted.group ? hit.document_id : hit.chunk_id);
  const ranks = (response) => new Map(response.hits.map((hit) => [identity(hit), hit.rank]));
  const [plainRanks, allRanks] = [ranks(plain), ranks(all)];
  const noteInPlain = (hit) => {
    const rank = allRanks.get(identity(hit));
    return el("p", { class: "moved" }, rank ? `also with handles, at ${rank}` : `not among the first ${wanted.k} with handles`);
  };
  const noteInAll = (hit) => {
    const rank = plainRanks.get(identity(hit));
    if (!rank) return el("p", { class: "moved up" }, `▲ new: not among the first ${wanted.k} of text alone`);
    const by = rank - hit.rank;
    if (by === 0) return el("p", { class: "moved" }, `= same place as with text alone`);
    return el("p", { class: `moved ${by > 0 ? "up" : "down"}` }, `${by > 0 ? "▲ up" : "▼ down"} ${Math.abs(by)}: ${rank} with text alone`);
  };
  return el("div", { class: "columns" }, column(plain, "Text alone", wanted, noteInPlain, "plain-hit"), column(all, "With handles", wanted, noteInAll, "hit"));
}

function column(response, name, wanted, note, idPrefix) {
  const best = response.hits[0]?.score || 1;
  const found = response.hits.length ? plural(response.hits.length, "hit") : "Nothing found";
  const item = (hit) => hitItem(hit, { best, query: wanted.query, note: note(hit), id: `${idPrefix}-${hit.rank}` });
  return el(
    "section",
    {},
    el("h2", { tabindex: "-1" }, name ? `${name}: ${found.toLowerCase()}` : found),
    timings(response),
    degraded(response.degraded),
    el("ol", { class: "hits" }, response.hits.map(item)),
  );
}

function timings({ embed_ms: embed, total_ms: total, timings: spent, generation }) {
  const parts = [`${milliseconds(total)} in all`, `embedding ${milliseconds(embed)}`];
  if (spent) parts.push(`looking ${milliseconds(spent.look_ms)}`, `fusing ${milliseconds(spent.fuse_ms)}`, `explaining ${milliseconds(spent.explain_ms)}`);
  const slowest = spent?.lanes.reduce((most, lane) => (lane.ms > (most?.ms ?? 0) ? lane : most), null);
  const lane = slowest && [" · slowest lane ", foreign(slowest.lane), ` ${milliseconds(slowest.ms)}`];
  return el("p", { class: "quiet-line" }, parts.join(" · "), lane, ` · generation ${count(generation)}`);
}
