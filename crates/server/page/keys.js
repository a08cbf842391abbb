// The keyboard. No key is taken while somebody types, holds a modifier or has a dialog open.
import { go } from "./route.js";

const VIEW_LETTERS = { s: "search", a: "answer", c: "chunks", r: "review", m: "measure", t: "status" };
const SEQUENCE_MS = 1200;

let wentAt = -Infinity;

export function listenForKeys() {
  const dialog = document.getElementById("keys");
  document.getElementById("show-keys").onclick = () => dialog.showModal();
  document.getElementById("close-keys").onclick = () => dialog.close();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") {
        // By default it would also empty a search box.
        event.preventDefault();
        event.target.blur();
      }
      return;
    }
    if (act(event)) event.preventDefault();
  });
}

function isTyping(target) {
  return target.matches("textarea, select, [contenteditable], input:not([type=checkbox])");
}

/** Does what a key stands for; false when it stands for nothing here. */
function act(event) {
  const goes = performance.now() - wentAt < SEQUENCE_MS;
  wentAt = event.key === "g" && !goes ? performance.now() : -Infinity;
  if (goes && Object.hasOwn(VIEW_LETTERS, event.key)) {
    const link = document.querySelector(`nav [data-view=${VIEW_LETTERS[event.key]}]`);
    if (!link.hidden) go(link.hash);
    return true;
  }
  const button = document.querySelector(`main [aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (button) {
    // A key that is held decides once.
    if (!event.repeat) button.click();
    return true;
  }
  switch (event.key) {
    case "/": {
      const box = document.querySelector("[data-main-box]");
      box?.focus();
      box?.select();
      return box !== null;
    }
    case "?":
      document.getElementById("keys").showModal();
      return true;
    case "j":
      return moveAmongHits(1);
    case "k":
      return moveAmongHits(-1);
    case "o": {
      const details = document.activeElement.closest("[data-hit]")?.querySelector("details");
      details?.toggleAttribute("open");
      return details !== undefined;
    }
    default:
      return false;
  }
}

/** Focuses the link of the next hit, so that Enter opens it without our doing. */
function moveAmongHits(step) {
  const hits = [...document.querySelectorAll("[data-hit]")];
  if (!hits.length) return false;
  const here = hits.indexOf(document.activeElement.closest("[data-hit]"));
  const next = here < 0 ? (step > 0 ? 0 : hits.length - 1) : Math.min(Math.max(here + step, 0), hits.length - 1);
  hits[next].querySelector("[data-open]").focus({ preventScroll: true });
  hits[next].scrollIntoView({ block: "nearest" });
  return true;
}
