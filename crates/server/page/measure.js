// Measure: the report that `frontload ablate` wrote, and the weights that are in use.
import * as api from "./api.js";
import { el } from "./dom.js";
import { lanes } from "./status.js";

export const title = "Measure";

export async function show({ main, signal }) {
  const [report, stats] = await Promise.all([api.report(signal), api.stats(signal)]);
  main.append(await reportNode(report), el("h2", {}, "Weights in use"), ...lanes(stats));
}

async function reportNode(report) {
  if (!report) {
    return el(
      "div",
      { class: "note" },
      el("p", {}, "There is no report yet. It says what each kind of handle changes, on your own queries:"),
      el("pre", { tabindex: "0" }, "frontload ablate --index INDEX --queries QUERIES --qrels QRELS --html INDEX/report.html"),
      el("p", {}, "The service shows ", el("code", {}, "report.html"), " in the folder of the index."),
    );
  }
  // A frame cannot send the key.
  if (api.hasKey()) return inlined(await report.text());
  report.body.cancel();
  return el("iframe", { src: "/report", sandbox: "", title: "Report of measurements" });
}

/** The report as a part of this page, with its own styles. This page's policy allows those only when a script sets them. */
function inlined(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const rules = [...page.querySelectorAll("style")].map((style) => style.textContent).join("\n");
  page.querySelectorAll("style, script, link, meta, iframe, object").forEach((node) => node.remove());
  for (const node of page.querySelectorAll("[style]")) {
    const width = node.getAttribute("style").match(/width:\s*([\d.]+%)/)?.[1];
    node.removeAttribute("style");
    if (width) node.style.width = width;
  }
  const host = el("div", { class: "report", role: "region", "aria-label": "Report of measurements" });
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules.replaceAll(":root", ":host").replace(/^body\b/gm, ":host"));
  root.adoptedStyleSheets = [sheet];
  root.append(...page.body.childNodes);
  return host;
}
