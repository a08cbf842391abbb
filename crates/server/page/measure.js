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
  if (api.hasKey()) {
    // A frame cannot send the key, and a frame made from a string would inherit this page's policy and lose its styles.
    const url = URL.createObjectURL(await report.blob());
    return el("p", {}, "With a key the report cannot be shown inside this page. ", el("a", { href: url, download: "report.html" }, "Save the report"));
  }
  report.body.cancel();
  return el("iframe", { src: "/report", sandbox: "", title: "Report of measurements" });
}
