// Answer: a question, the text as it is written, then its sentences with what they cite.
import * as api from "./api.js";
import { announce, degraded, el, field, problem, select } from "./dom.js";
import { hitItem } from "./hits.js";
import { go, hashOf } from "./route.js";
import { appendVisible, count, decimal, foreign, milliseconds, plural } from "./text.js";

export const title = "Answer";

const MODES = [
  ["", "as the service was started"],
  ["ANSWER_MODE_QUOTE", "quote: whole sentences of the passages"],
  ["ANSWER_MODE_WRITE", "write: the model's words, checked"],
  ["ANSWER_MODE_EXTRACT", "extract: without a language model"],
];

const REFUSALS = {
  REFUSAL_NOTHING_FOUND: "Nothing was found.",
  REFUSAL_TOO_FAR: "What was found is not near enough to the question.",
  REFUSAL_BY_MODEL: "The model says that the passages do not answer it, or that it is outside the scope.",
};

// An answer takes the model's time: going back to it must not ask again. Asking again in the same words does.
const remembered = { hash: null, begun: null, ended: null };

export async function show({ main, heading, parameters, signal, nameTab }) {
  heading.className = "unseen";
  const question = parameters.get("q") ?? "";
  const stop = new AbortController();
  signal.addEventListener("abort", () => stop.abort());
  const stopButton = el("button", { type: "button", class: "quiet", hidden: true, onclick: () => stop.abort() }, "Stop");
  const answer = el("div", { class: "answer", "aria-live": "polite", dir: "auto" });
  const after = el("div", {});
  const passages = el("div", {});
  main.append(form(parameters, stopButton), answer, after, passages);
  if (!question) return;
  nameTab(question);

  const hash = location.hash;
  if (remembered.hash === hash) {
    showPassages(passages, remembered.begun);
    showEnd(answer, after, remembered.ended, remembered.begun);
    return;
  }
  const request = {
    question,
    k: Number(parameters.get("k")) || 4,
    mode: parameters.get("mode") || "ANSWER_MODE_UNSPECIFIED",
    filter: parameters.get("filter") ?? "",
  };
  stopButton.hidden = false;
  after.append(el("p", { class: "quiet-line" }, "Looking for passages…"));
  const writing = el("span");
  let begun = null;
  let ended = null;
  try {
    for await (const { event, data } of api.answer(request, stop.signal)) {
      if (event === "begun") {
        begun = data;
        showPassages(passages, begun);
        answer.append(writing);
        after.replaceChildren(el("p", { class: "quiet-line" }, `${plural(begun.hits.length, "passage")} after ${milliseconds(begun.search_ms)} · writing…`));
      } else if (event === "text") {
        appendVisible(writing, data.text);
      } else if (event === "ended") {
        ended = data;
      }
    }
    if (!ended) throw new api.ApiError(0, { message: "the answer broke off" });
    Object.assign(remembered, { hash, begun, ended });
    showEnd(answer, after, ended, begun);
  } catch (error) {
    if (signal.aborted) return;
    if (stop.signal.aborted) after.replaceChildren(el("p", { class: "quiet-line" }, begun ? "Stopped. What stands above was not checked." : "Stopped."));
    else if (!showFilterProblem(error)) after.replaceChildren(problem(error, () => go(hash)));
    else after.replaceChildren();
  } finally {
    stopButton.hidden = true;
  }
}

function form(parameters, stopButton) {
  const value = (name) => parameters.get(name) ?? "";
  const box = el("input", { id: "question", type: "text", value: value("q"), "data-main-box": true, autocomplete: "off", maxlength: 4096, enterkeyhint: "send" });
  const mode = select("mode", MODES, value("mode"));
  const k = el("input", { id: "passages", type: "number", min: 1, max: 10, value: value("k") || 4 });
  const filter = el("input", { id: "answer-filter", type: "text", value: value("filter"), autocomplete: "off", spellcheck: "false", maxlength: 4096 });
  const onsubmit = (event) => {
    event.preventDefault();
    remembered.hash = null;
    const number = Number(k.value);
    go(hashOf("answer", { q: box.value.trim(), mode: mode.value, k: number === 4 ? "" : number, filter: filter.value.trim() }));
  };
  const isSet = ["k", "filter", "mode"].some((name) => parameters.has(name));
  return el(
    "form",
    { class: "ask", onsubmit },
    el("div", { class: "box" }, field("What do you want to know?", box), el("button", { type: "submit" }, "Ask"), stopButton),
    el(
      "details",
      { class: "options", open: isSet },
      el("summary", {}, "Options"),
      el("div", { class: "fields" }, field("Made by", mode), field("Passages", k), field("Filter", filter, "source = letters and meta.year >= 1900")),
    ),
  );
}

function showFilterProblem(error) {
  const wrong = error.violations?.find((violation) => violation.field === "filter");
  if (!wrong) return false;
  const box = document.getElementById("answer-filter");
  box.closest("details").open = true;
  box.setAttribute("aria-invalid", "true");
  document.getElementById("answer-filter-problem").textContent = wrong.description;
  box.focus();
  return true;
}

function showPassages(node, begun) {
  const best = begun.hits[0]?.score || 1;
  const items = begun.hits.map((hit) => {
    const item = hitItem(hit, { best, id: `passage-link-${hit.rank}` });
    item.id = `passage-${hit.rank}`;
    item.tabIndex = -1;
    return item;
  });
  node.replaceChildren(el("h2", {}, "Passages"), el("ol", { class: "hits" }, items));
}

function showEnd(answer, after, ended, begun) {
  const known = new Set(begun.hits.map((hit) => hit.rank));
  if (ended.sentences.length) {
    answer.replaceChildren(...ended.sentences.flatMap((sentence) => [sentenceNode(sentence, known), " "]));
  } else {
    const reason = REFUSALS[ended.refusal] ?? "There is no answer.";
    const words = ended.text && ended.text !== reason ? el("p", {}, foreign(ended.text)) : null;
    answer.replaceChildren(el("div", { class: "refusal" }, el("p", {}, el("strong", {}, "Not answered. "), reason), words));
  }
  const unsupported = ended.sentences.filter((sentence) => !sentence.supported).length;
  if (unsupported) announce(`${plural(unsupported, "sentence")} not found in what it cites.`);
  after.replaceChildren(...[degraded(ended.degraded), timings(ended, begun)].filter(Boolean));
}

function sentenceNode(sentence, known) {
  const links = sentence.citations.map((rank) => (known.has(rank) ? citation(rank) : `[${rank}]`));
  // Not a <bdi>: the answer takes its direction from its sentences.
  const words = appendVisible(el("span", { class: "words" }), sentence.text);
  const doubt = !sentence.supported && el("small", { class: "doubt" }, " (not found in what it cites)");
  return el("span", { class: sentence.supported ? "sentence" : "sentence unsupported" }, words, doubt, links.flatMap((link) => [" ", link]));
}

function citation(rank) {
  const link = el("a", { href: `#passage-${rank}`, class: "citation", "aria-label": `passage ${rank}` }, `[${rank}]`);
  link.addEventListener("click", (event) => {
    // The hash is the route: the jump is made without it.
    event.preventDefault();
    const passage = document.getElementById(`passage-${rank}`);
    leavePassages();
    const back = el("button", { type: "button", class: "quiet back", onclick: () => { leavePassages(); link.focus(); } }, "Back to the answer");
    passage.classList.add("cited");
    passage.querySelector("h3").after(back);
    passage.focus({ preventScroll: true });
    passage.scrollIntoView({ block: "nearest" });
  });
  return link;
}

function leavePassages() {
  for (const passage of document.querySelectorAll(".cited")) {
    passage.classList.remove("cited");
    passage.querySelector(".back")?.remove();
  }
}

function timings(ended, begun) {
  const mode = ended.mode.replace("ANSWER_MODE_", "").toLowerCase();
  const parts = [`${milliseconds(ended.total_ms)} in all`, `passages after ${milliseconds(begun.search_ms)}`];
  if (ended.first_text_ms > 0) parts.push(`first text after ${milliseconds(ended.first_text_ms)}`);
  if (ended.prompt_tokens > 0) parts.push(`${count(ended.prompt_tokens)} tokens read, ${count(ended.answer_tokens)} written`);
  parts.push(`nearness ${decimal(ended.nearness, 2)}`, `mode ${mode}`, `generation ${count(begun.generation)}`);
  return el("p", { class: "quiet-line" }, parts.join(" · "));
}
