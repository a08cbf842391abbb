// Chunks: one with everything that is known of it, or a way to find one by id or by handle.
import * as api from "./api.js";
import { announce, el, facts, field, problem, select } from "./dom.js";
import { handleLine, isTextLane } from "./hits.js";
import { chunkHash, go, hashOf } from "./route.js";
import { foreign, foreignMarked, groundsOf, placeText, plural } from "./text.js";

export const title = "Chunks";

const PAGE_SIZE = 50;

export async function show(context) {
  await (context.rest ? showChunk(context) : browse(context));
}

async function browse({ main, parameters, signal }) {
  const value = (name) => parameters.get(name) ?? "";
  const idBox = el("input", { id: "chunk-id", type: "text", "data-main-box": true, autocomplete: "off", spellcheck: "false" });
  const open = (event) => {
    event.preventDefault();
    if (idBox.value.trim()) go(chunkHash(idBox.value.trim()));
  };
  const kind = select("kind", [["", "any"], ...(value("kind") ? [[value("kind"), value("kind")]] : [])], value("kind"));
  const contains = el("input", { id: "handle-contains", type: "search", value: value("contains"), autocomplete: "off" });
  const find = (event) => {
    event.preventDefault();
    go(hashOf("chunks", { kind: kind.value, contains: contains.value.trim() }));
  };
  const list = el("div", {}, el("p", { class: "quiet-line" }, "Reading…"));
  main.append(
    el("form", { class: "ask", onsubmit: open }, el("div", { class: "box" }, field("Id of a chunk", idBox), el("button", { type: "submit" }, "Open"))),
    el("h2", {}, "Handles"),
    el("form", { class: "ask", role: "search", onsubmit: find }, el("div", { class: "box" }, field("Kind", kind), field("Contains", contains), el("button", { type: "submit" }, "Find"))),
    list,
  );
  const query = { kind: value("kind"), contains: value("contains"), page_size: PAGE_SIZE, page_token: value("page") };
  const [stats, page] = await Promise.all([api.stats(signal), api.handles(query, signal)]);
  const kinds = new Set(stats.lanes.filter(({ lane }) => !isTextLane(lane)).map(({ lane }) => lane.slice(0, lane.lastIndexOf("."))));
  kinds.delete(value("kind"));
  kind.append(...[...kinds].map((name) => el("option", { value: name }, name)));
  const next = page.next_page_token && hashOf("chunks", { kind: value("kind"), contains: value("contains"), page: page.next_page_token });
  const items = page.handles.map(({ chunk_id, title: name, handle }) =>
    el("li", {}, handleLine(handle), " ", el("span", { class: "whence" }, el("a", { href: chunkHash(chunk_id) }, foreign(chunk_id)), name && [" · ", foreign(name)])));
  list.replaceChildren(
    items.length ? el("ul", { class: "handles" }, items) : el("p", {}, next ? "None on this page; more may follow." : "None."),
    el(
      "nav",
      { class: "pages", "aria-label": "Pages of handles" },
      value("page") && el("a", { href: hashOf("chunks", { kind: value("kind"), contains: value("contains") }) }, "First page"),
      next && el("a", { href: next, rel: "next" }, "Next page"),
    ),
  );
  announce(plural(items.length, "handle"));
}

async function showChunk({ main, heading, rest, signal, nameTab }) {
  heading.replaceChildren("Chunk ", foreign(rest));
  nameTab(rest);
  let chunk;
  try {
    ({ chunk } = await api.chunk(rest, signal));
  } catch (error) {
    if (error.status !== 404) throw error;
    main.append(problem(error), el("p", {}, el("a", { href: "#/chunks" }, "Find another")));
    return;
  }
  const name = chunk.title || chunk.document_id;
  heading.replaceChildren(foreign(name));
  nameTab(name);
  const text = el("div", { class: "text", dir: "auto" }, foreignMarked(chunk.text, null));
  main.append(
    el(
      "article",
      {},
      neighbours(chunk),
      chunk.headings.length > 0 && el("p", { class: "headings" }, chunk.headings.flatMap((words, at) => (at ? [" › ", foreign(words)] : [foreign(words)]))),
      known(chunk),
      el("div", { class: "chunk" }, el("section", {}, el("h2", {}, "Text"), text), el("section", {}, el("h2", {}, "Handles"), handlesByKind(chunk, text))),
      rejected(chunk.rejected),
      modelAnswers(chunk.model_answers),
    ),
  );
}

/** What is known of a chunk and its document. */
function known(chunk) {
  return facts([
    ["chunk", foreign(chunk.chunk_id)],
    ["document", foreign(chunk.document_id)],
    ["source", chunk.source && foreign(chunk.source)],
    ["language", chunk.language && foreign(chunk.language)],
    ["place", chunk.place?.path && foreign(placeText(chunk.place))],
    ...Object.entries(chunk.metadata).map(([key, value]) => [foreign(key), foreign(value)]),
  ]);
}

function neighbours({ previous_chunk_id: previous, next_chunk_id: next }) {
  if (!previous && !next) return null;
  return el(
    "nav",
    { class: "pages", "aria-label": "Chunks of this document" },
    previous && el("a", { href: chunkHash(previous), rel: "prev" }, "← Previous chunk"),
    next && el("a", { href: chunkHash(next), rel: "next" }, "Next chunk →"),
  );
}

/** Handles as buttons: pointing at one marks its words in the text, pressing one keeps them marked. */
function handlesByKind(chunk, text) {
  if (!chunk.handles.length) return el("p", {}, "None.");
  let kept = null;
  const paint = (handle) => {
    const span = handle && groundsOf(handle, chunk.text);
    text.replaceChildren(foreignMarked(chunk.text, span));
    return text.querySelector("mark");
  };
  const show = (handle) => () => paint(handle);
  const restore = () => paint(kept?.handle);

  const item = (handle) => {
    const words = el("span", { class: "quote" }, handle.quote && handle.quote !== handle.text ? ["rests on “", foreign(handle.quote), "”"] : "");
    const content = ["“", foreign(handle.text), "” ", el("span", { class: `evidence ${handle.evidence}` }, handle.evidence), " ", words];
    if (!groundsOf(handle, chunk.text)) return el("li", {}, content);
    const press = (event) => {
      const button = event.currentTarget;
      const wasKept = kept?.button === button;
      kept?.button.setAttribute("aria-pressed", "false");
      kept = wasKept ? null : { button, handle };
      button.setAttribute("aria-pressed", String(!wasKept));
      paint(kept?.handle)?.scrollIntoView({ block: "nearest" });
    };
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "handle",
          "aria-pressed": "false",
          onclick: press,
          onmouseenter: show(handle),
          onfocus: show(handle),
          onmouseleave: restore,
          onblur: restore,
        },
        content,
      ),
    );
  };
  const kinds = new Set(chunk.handles.map(({ kind }) => kind));
  const list = (kind) => el("ul", { class: "handles" }, chunk.handles.filter((handle) => handle.kind === kind).map(item));
  return [...kinds].map((kind) => [el("h3", {}, foreign(kind)), list(kind)]);
}

function rejected(handles) {
  if (!handles.length) return null;
  const item = ({ kind, text, reason, detail }) =>
    el("li", {}, el("span", { class: "kind" }, foreign(kind)), " “", foreign(text), "” ", el("span", { class: "quote" }, foreign(reason), detail && [": ", foreign(detail)]));
  return el(
    "section",
    {},
    el("h2", {}, "Turned away"),
    el("p", {}, "What the model said and a gate did not let through: never searched."),
    el("ul", { class: "handles" }, handles.map(item)),
  );
}

function modelAnswers(answers) {
  if (!answers.length) return null;
  const turns = (prompt) => prompt.flatMap(({ role, content }) => [el("h4", {}, foreign(role)), el("pre", { tabindex: "0" }, foreign(content))]);
  return el(
    "section",
    {},
    el("h2", {}, "What the model said"),
    answers.map(({ kinds, text, prompt }) => [
      el("h3", {}, foreign(kinds.join(", "))),
      el("pre", { tabindex: "0" }, foreign(text)),
      prompt.length > 0 && el("details", {}, el("summary", {}, "What it was asked"), turns(prompt)),
    ]),
  );
}
