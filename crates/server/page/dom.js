// Builds elements. Text only ever becomes a text node: corpus and model are not trusted with markup.

/** An element; properties named on… are listeners, others attributes; children that are null or false are left out. */
export function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  const present = (child) => child !== undefined && child !== null && child !== false;
  node.append(...children.flat(Infinity).filter(present));
  return node;
}

/** Gives a node other children, as el() takes them. */
export function fill(node, ...children) {
  node.replaceChildren(...el("div", {}, children).childNodes);
}

/** A horizontal bar as long as its share of the room it is given. Its value must also stand beside it as text. */
export function bar(fraction, kind) {
  const node = el("span", { class: `bar ${kind}`, "aria-hidden": "true" });
  const percent = Math.min(Math.max(fraction || 0, 0), 1) * 100;
  // The content security policy forbids style attributes, not the style object. What is not nothing stays visible.
  node.style.setProperty("inline-size", percent > 0 ? `max(1px, ${percent.toFixed(1)}%)` : "0");
  return node;
}

/** A table in a box of its own that scrolls, so that the page never does. */
export function table(caption, heads, rows) {
  const cell = (tag, content, numeric, scope) => el(tag, { class: numeric ? "n" : null, scope }, content);
  return el(
    "div",
    { class: "scroll", role: "group", "aria-label": caption, tabindex: "0" },
    el(
      "table",
      {},
      el("caption", { class: "unseen" }, caption),
      el("thead", {}, el("tr", {}, heads.map(([name, numeric]) => cell("th", name, numeric, "col")))),
      el(
        "tbody",
        {},
        rows.map((row) =>
          el("tr", {}, row.map((content, at) =>
            at === 0 ? cell("th", content, heads[at][1], "row") : cell("td", content, heads[at][1])))),
      ),
    ),
  );
}

/** Names and values as a description list; pairs without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return el("dl", { class: "facts" }, known.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A labelled control, with room for what the service says is wrong with it. */
export function field(label, control, note) {
  const wrong = el("span", { class: "problem-text", id: `${control.id}-problem` });
  const hint = note && el("small", { id: `${control.id}-note` }, note);
  control.setAttribute("aria-describedby", hint ? `${wrong.id} ${hint.id}` : wrong.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, wrong, hint);
}

/** A select over pairs of value and name. */
export function select(id, options, chosen) {
  return el("select", { id }, options.map(([value, name]) => el("option", { value, selected: value === chosen }, name)));
}

/** A checkbox with its label. */
export function checkbox(id, label, checked, onchange) {
  return el("label", { class: "check", for: id }, el("input", { type: "checkbox", id, checked, onchange }), label);
}

/** What the service could not do fully, as a warning; nothing when nothing was missing. */
export function degraded(notes) {
  if (!notes.length) return null;
  return el("div", { class: "warning", role: "note" }, el("strong", {}, "Not everything was at hand: "), notes.join("; "));
}

/** An error in a box, with a button where trying again makes sense. */
export function problem(error, again) {
  const wait = error.retryAfterSeconds > 0 && el("p", {}, `It may be free again in ${error.retryAfterSeconds} s.`);
  const button = again && el("button", { type: "button", onclick: again }, "Try again");
  return el("div", { class: "problem", role: "alert" }, el("p", {}, error.message), wait, button);
}

/** Scrolls a box, and nothing around it, until a node in it is seen. */
export function scrollWithin(box, node, margin = 0) {
  const [outer, inner] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
  if (inner.top - margin < outer.top) box.scrollTop -= outer.top - inner.top + margin;
  else if (inner.bottom + margin > outer.bottom) box.scrollTop += inner.bottom + margin - outer.bottom;
}

/** Tells those who cannot see the page what has changed on it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Whether an error only says that the request was given up. */
export const isAbort = (error) => error.name === "AbortError";
