// Foreign text and numbers, as they are shown.
import { el } from "./dom.js";

// Controls, and characters that reorder or hide text: a corpus could use them to look like something else. Joiners
// (U+200C, U+200D) are left alone, since scripts and emoji need them.
const UNSEEN =
  /[\0-\x08\v\f\x0e-\x1f\x7f-\x9f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Appends text to a node; unseen characters appear as their number. */
export function appendVisible(node, text) {
  let done = 0;
  for (const found of text.matchAll(UNSEEN)) {
    const name = `U+${found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    node.append(text.slice(done, found.index), el("span", { class: "unseen-letter" }, name));
    done = found.index + found[0].length;
  }
  node.append(text.slice(done));
  return node;
}

/** Text from outside, kept from reordering what stands around it. */
export const foreign = (text) => appendVisible(el("bdi"), text);

export const quoted = (text) => ["“", foreign(text), "”"];

/**
 * Text that is a block of its own, with one part of it marked, and perhaps cut at the ends. The block around it has
 * dir="auto", which isolates it and takes its direction from the text; it would not look into a <bdi>.
 */
export function foreignMarked(text, span, cut = { from: 0, to: text.length }) {
  const node = el("span");
  if (cut.from > 0) node.append("… ");
  if (span) {
    appendVisible(node, text.slice(cut.from, span.from));
    node.append(appendVisible(el("mark"), text.slice(span.from, Math.min(span.to, cut.to))));
    appendVisible(node, text.slice(Math.min(span.to, cut.to), cut.to));
  } else {
    appendVisible(node, text.slice(cut.from, cut.to));
  }
  if (cut.to < text.length) node.append(" …");
  return node;
}

/** Where a verbatim handle stands in its chunk's text, in UTF-16 units; null when it has no span. */
export function spanOf(handle, text) {
  if (!handle || handle.span_end <= handle.span_start) return null;
  const bytes = new TextEncoder().encode(text);
  if (handle.span_end > bytes.length) return null;
  // Without ignoreBOM a leading U+FEFF would be swallowed and everything after it be off by one.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const units = (end) => decoder.decode(bytes.subarray(0, end)).length;
  return { from: units(handle.span_start), to: units(handle.span_end) };
}

/** Where the words that a handle rests on stand: its span, else the first place of its quote. */
export function groundsOf(handle, text) {
  const span = spanOf(handle, text);
  if (span || !handle.quote) return span;
  const from = text.indexOf(handle.quote);
  return from < 0 ? null : { from, to: from + handle.quote.length };
}

const EXCERPT_UNITS = 360;

/** Which part of a long text to show, so that the span is in it. */
export function excerpt(text, span) {
  if (text.length <= EXCERPT_UNITS * 1.25) return { from: 0, to: text.length };
  const wanted = span ? Math.max(0, span.from - EXCERPT_UNITS / 3) : 0;
  const from = Math.min(wordStart(text, wanted), span ? span.from : wanted);
  const least = span ? Math.min(span.to, from + 2 * EXCERPT_UNITS) : 0;
  return { from, to: wordStart(text, Math.max(from + EXCERPT_UNITS, least)) };
}

/** The next blank, or the same place where none is near: not every script has them. Never amid a surrogate pair. */
function wordStart(text, wanted) {
  if (wanted <= 0) return 0;
  if (wanted >= text.length) return text.length;
  const blank = text.slice(wanted, wanted + 24).search(/\s/);
  const at = blank < 0 ? wanted : wanted + blank;
  const isLowSurrogate = (text.charCodeAt(at) & 0xfc00) === 0xdc00;
  return isLowSurrogate ? at + 1 : at;
}

export const decimal = (value, digits = 3) => (value ?? 0).toFixed(digits);

/** Whole numbers, also those that come as strings because they have 64 bits. */
export const count = (value) => BigInt(value ?? 0).toLocaleString("en");

export const plural = (value, one, many = `${one}s`) => `${count(value)} ${Number(value) === 1 ? one : many}`;

export const milliseconds = (value) => (value < 1000 ? `${decimal(value, value < 10 ? 1 : 0)} ms` : `${decimal(value / 1000, 1)} s`);

export function bytes(value) {
  const number = Number(value);
  return number >= 1e9 ? `${decimal(number / 1e9, 2)} GB` : `${decimal(number / 1e6, 0)} MB`;
}

export function duration(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return `${plural(days, "day")}, ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** How long ago a time was, given in seconds since 1970. */
export const ago = (at) => `${duration(Math.max(0, Math.floor(Date.now() / 1000) - Number(at)))} ago`;

/** Where a chunk stands in its file, in words. */
export function placeText(place) {
  if (!place || !place.path) return "";
  const several = place.end > place.start;
  if (place.unit === "byte") return `${place.path}, bytes ${place.start}–${place.end}`;
  return several ? `${place.path}, ${place.unit}s ${place.start}–${place.end}` : `${place.path}, ${place.unit} ${place.start}`;
}
