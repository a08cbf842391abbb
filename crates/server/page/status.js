// Status: what is served, by what, and what it takes.
import * as api from "./api.js";
import { bar, el, facts, isAbort, table } from "./dom.js";
import { laneClass } from "./hits.js";
import { go } from "./route.js";
import { bytes, count, decimal, duration, foreign, milliseconds } from "./text.js";

export const title = "Status";

// What the last Reload led to, said once the page shows how it is now.
let reloaded = "";

export async function show({ main, signal }) {
  const stats = await api.stats(signal);
  const said = el("p", { role: "status", class: "quiet-line" });
  main.append(
    el("div", { class: "actions" }, el("button", { type: "button", id: "reload", onclick: () => reload(said) }, "Reload"), said),
    ...staleNotes(stats),
    el("h2", {}, "Index"),
    facts([
      ["generation", count(stats.generation)],
      ["chunks", count(stats.chunks)],
      ["documents", count(stats.documents)],
      ["handles", count(stats.handles)],
      ["schema", stats.schema && foreign(stats.schema)],
      ["corpus", stats.about && foreign(stats.about)],
      ["handles written by", stats.enriched_by ? foreign(stats.enriched_by) : "nothing yet"],
    ]),
    el("h2", {}, "Sources"),
    table("Documents by source", [["source"], ["documents", true]], Object.entries(stats.sources).map(([name, number]) => [foreign(name), count(number)])),
    el("h2", {}, "Lanes"),
    ...lanes(stats),
    el("h2", {}, "Service"),
    facts([
      ["version", foreign(stats.version)],
      ["running for", duration(stats.uptime_seconds)],
      ["its memory", stats.resident_bytes === "0" ? "not known" : bytes(stats.resident_bytes)],
      ["embedding model", foreign(stats.embedder)],
      ["language model", modelText(stats.model)],
      ["scope", stats.scope ? foreign(stats.scope) : "not said"],
      ["answers refused below", stats.refuse_below ? `nearness ${decimal(stats.refuse_below, 2)}` : "no threshold chosen"],
    ]),
    el("h2", {}, "For programs"),
    el("ul", {}, el("li", {}, el("a", { href: "/metrics" }, "/metrics"), ": counters and times"), el("li", {}, el("a", { href: "/openapi.json" }, "/openapi.json"), ": this API")),
  );
  // After the element stands in the document: a status that is born with text is not read out.
  said.textContent = reloaded;
  if (reloaded) document.getElementById("reload").focus({ preventScroll: true });
  reloaded = "";
}

/** That an older generation answers: since when, why, and what to do. Nothing when what was published last is served. */
function staleNotes({ stale, stale_seconds: seconds, generation }) {
  if (!stale) return [];
  const number = count(generation);
  return [
    el(
      "div",
      { class: "warning", role: "note", id: "stale" },
      el("p", {}, el("strong", {}, "Not up to date: "), `what was published last cannot be served. Generation ${number}, from before, goes on answering, and what changed after it is not found.`),
      el("p", {}, "Since: ", seconds < 1 ? "just now" : `${duration(seconds)} ago`),
      el("p", {}, "Why: ", foreign(stale)),
      el(
        "p",
        {},
        "What to do: set right what is named there, then press Reload. ",
        el("code", {}, "frontload verify"),
        " names every damaged file, and ",
        el("code", {}, "frontload rebuild"),
        " writes the index anew without calling the model. What is published next is taken up by itself.",
      ),
    ),
  ];
}

/** The lanes with their weights, and how their rankings are joined. */
export function lanes(stats) {
  const heaviest = Math.max(...stats.lanes.map(({ weight }) => weight), 0) || 1;
  const row = ({ lane, weight, rows, graph_recall_at_10: recall }) => [
    foreign(lane),
    el("span", { class: "weight" }, el("span", { class: "room" }, bar(weight / heaviest, laneClass(lane))), el("span", { class: "n" }, weight ? decimal(weight) : "off")),
    rows === "0" ? "" : count(rows),
    recall ? decimal(recall) : "",
  ];
  return [
    table("Lanes", [["lane"], ["weight"], ["vectors", true], ["graph recall@10", true]], stats.lanes.map(row)),
    el("p", {}, "Rankings joined by: ", foreign(stats.fusion)),
    stats.tuning && el("p", {}, "Weights: ", foreign(stats.tuning)),
  ].filter(Boolean);
}

function modelText(model) {
  if (!model?.name) return "none";
  const kept = Number(model.keep_alive_seconds) ? `unloaded after ${duration(Number(model.keep_alive_seconds))} without a question` : "kept in memory";
  const state = model.loaded ? `in memory (${bytes(model.resident_bytes)})` : "not in memory now";
  const loading = model.load_ms > 0 ? `, last loaded in ${milliseconds(model.load_ms)}` : "";
  return [foreign(model.name), `: ${state}${loading}, ${kept}`];
}

async function reload(said) {
  said.textContent = "Looking for a newer generation…";
  try {
    const { generation, changed, problem } = await api.reload();
    // Who has gone to another view is left there.
    if (!said.isConnected) return;
    const became = changed ? "is served now" : "is the newest";
    reloaded = `Generation ${count(generation)} ${problem ? "stays, for the reason below" : became}.`;
    // Shown afresh even if the generation is the same: whether it is up to date may have changed.
    go("#/status");
  } catch (error) {
    if (!isAbort(error)) said.textContent = error.status === 403 ? "This key may only read." : error.message;
  }
}
