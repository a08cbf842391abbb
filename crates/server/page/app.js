// Starts the page: shows the view that the hash names, and keeps the place when going back.
import * as api from "./api.js";
import { el, isAbort, problem } from "./dom.js";
import { listenForKeys } from "./keys.js";
import { go, hashOf, parse } from "./route.js";
import * as answer from "./answer.js";
import * as chunks from "./chunks.js";
import * as measure from "./measure.js";
import * as review from "./review.js";
import * as search from "./search.js";
import * as status from "./status.js";

const views = { search, answer, chunks, review, measure, status };
const main = document.getElementById("main");

let current = { hash: null, view: null, stop: new AbortController() };
// Where somebody was on each hash: how far down, and on what.
const places = new Map();
let wentBack = false;
// Not known before the service has said so.
let takesReviews = null;

async function route() {
  const wanted = parse(location.hash);
  if (!wanted) return;
  const { rest, parameters } = wanted;
  const view = Object.hasOwn(views, wanted.view) ? wanted.view : "search";
  const focused = document.activeElement?.id;
  places.set(current.hash, { top: scrollY, focused });
  current.stop.abort();
  const { view: previousView, hash: previousHash } = current;
  const isReturn = wentBack && places.has(location.hash);
  wentBack = false;
  const { signal } = (current = { hash: location.hash, view, stop: new AbortController() }).stop;

  markInNavigation(view, previousView, previousHash);
  main.replaceChildren();
  const heading = el("h1", { tabindex: "-1" }, views[view].title);
  main.append(heading);
  const nameTab = (text) => (document.title = [text, views[view].title, "frontload"].filter(Boolean).join(" – "));
  nameTab("");
  const shown = views[view].show({ main, heading, rest, parameters, signal, nameTab });
  const sameControl = previousView === view && document.getElementById(focused);
  // A box that is filled already has been asked: what comes is to be read, with j and k at hand.
  const box = main.querySelector("[data-main-box]");
  const start = sameControl || (box?.value === "" && box) || heading;
  if (!isReturn) scrollTo(0, 0);
  start.focus({ preventScroll: true });
  try {
    await shown;
  } catch (error) {
    if (!isAbort(error) && !signal.aborted) main.append(problem(error, () => go(location.hash)));
  }
  offerReview();
  // Not when somebody has moved on meanwhile.
  if (isReturn && !signal.aborted && document.activeElement === start) {
    const place = places.get(location.hash);
    document.getElementById(place.focused)?.focus({ preventScroll: true });
    scrollTo(0, place.top);
  }
}

/** Shows what leads to Review where handles are reviewed; asks again while that is not known, as before a key is given. */
async function offerReview() {
  takesReviews ??= await api.takesReviews();
  for (const node of document.querySelectorAll("[data-review]")) node.hidden = !takesReviews;
}

/** The link of the view one is in leads to its beginning, that of the view one left to where one was in it. */
function markInNavigation(view, previousView, previousHash) {
  for (const link of document.querySelectorAll("nav [data-view]")) {
    const name = link.dataset.view;
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (name === view) link.href = hashOf(view);
    else if (name === previousView) link.href = previousHash;
  }
}

function askForKey(refused) {
  const dialog = document.getElementById("key");
  const box = document.getElementById("key-box");
  const form = document.getElementById("key-form");
  document.getElementById("key-problem").textContent = refused ? "That key was not accepted." : "";
  box.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    let given = null;
    form.onsubmit = (event) => {
      event.preventDefault();
      given = box.value;
      dialog.close();
    };
    dialog.onclose = () => resolve(given);
  });
}

function start() {
  // What is shown arrives after the browser would have scrolled; route() does it.
  history.scrollRestoration = "manual";
  api.whenKeyIsWanted(askForKey);
  document.getElementById("key-cancel").onclick = () => document.getElementById("key").close();
  document.getElementById("skip").onclick = (event) => {
    // The hash is the route: it must not become #main.
    event.preventDefault();
    main.focus();
  };
  listenForKeys();
  // A step through the history brings popstate with the state we left there; a link followed brings it without one.
  addEventListener("popstate", (event) => (wentBack = event.state !== null));
  addEventListener("hashchange", async () => {
    if (history.state === null) history.replaceState("seen", "");
    await route();
  });
  history.replaceState("seen", "");
  offerReview();
  route();
}

start();
