// All requests to the service, its errors, and the key.

const KEY = "frontload.key";

export class ApiError extends Error {
  constructor(status, { code = "UNKNOWN", message, violations = [], retry_after_seconds: retryAfterSeconds = 0 } = {}) {
    super(message || `the service answered with status ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.violations = violations;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

let askForKey = async () => null;
let asking = null;

/** Says how to get a key when the service wants one: given whether the last was refused, resolves to one or null. */
export function whenKeyIsWanted(ask) {
  askForKey = ask;
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

export const search = (request, signal) => post("/v1/search", request, signal);

/** Several searches in one generation; what is wrong with one is named as if it were alone. */
export async function searchAll(searches, signal) {
  if (searches.length === 1) return [await search(searches[0], signal)];
  try {
    return (await post("/v1/search/batch", { searches }, signal)).responses;
  } catch (error) {
    for (const violation of error.violations ?? []) violation.field = violation.field.replace(/^searches\[\d+\]\./, "");
    throw error;
  }
}
export const feedback = (request) => post("/v1/feedback", request);
export const reload = () => post("/v1/reload", {});
export const stats = (signal) => json("/v1/stats", { signal });
export const chunk = (id, signal) => json(`/v1/chunks/${encodeURIComponent(id)}?with_prompts=true`, { signal });
export const handles = (query, signal) => json(`/v1/handles?${new URLSearchParams(query)}`, { signal });

export const reviewQueue = (query, signal) => {
  const asked = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  return json(`/v1/review/queue?${new URLSearchParams(asked)}`, { signal });
};
export const reviewDecide = (decision) => post("/v1/review/decisions", decision);
export const reviewAgreement = (signal) => json("/v1/review/agreement", { signal });
export const reviewPublish = () => post("/v1/review/publish", {});
export const reviewConflicts = (signal) => json("/v1/review/conflicts", { signal });

/** Whether handles are reviewed here. Null when that cannot be said yet: nobody is asked for a key for it. */
export async function takesReviews() {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await sent("/v1/review/agreement", { headers }).catch(() => null);
  response?.body?.cancel();
  if (response?.ok) return true;
  return response?.status === 404 ? false : null;
}

/** The report as a response; null when there is none. */
export async function report(signal) {
  try {
    return await request("/report", { signal });
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/** An answer's events as they come: { event, data }. Aborting the signal stops the writing. */
export async function* answer(body, signal) {
  const response = await request("/v1/answer", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal,
  });
  for await (const { event, data } of serverSentEvents(response.body)) {
    const parsed = JSON.parse(data);
    if (event === "error") throw new ApiError(response.status, parsed.error);
    yield { event, data: parsed };
  }
}

function post(path, body, signal) {
  return json(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
}

async function json(path, options) {
  return (await request(path, options)).json();
}

async function request(path, options) {
  for (let refused = false; ; refused = true) {
    const key = sessionStorage.getItem(KEY);
    const headers = { Accept: "application/json", ...options.headers };
    if (key) headers.Authorization = `Bearer ${key}`;
    const response = await sent(path, { ...options, headers });
    if (response.ok) return response;
    const error = await errorOf(response);
    if (response.status !== 401) throw error;
    // While this request was under way, the key may have been given for another one.
    if (sessionStorage.getItem(KEY) !== key) continue;
    asking ??= askForKey(refused || key !== null).finally(() => (asking = null));
    const given = await asking;
    if (given === null) throw error;
    sessionStorage.setItem(KEY, given);
  }
}

async function sent(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "UNAVAILABLE", message: "the service cannot be reached" });
  }
}

async function errorOf(response) {
  // A proxy in between may answer with something other than our errors.
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body.error);
}

/** Reads text/event-stream as far as our service writes it: event and data lines, comments, blank lines. */
async function* serverSentEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (pending + value).split(/\r?\n\r?\n/);
      pending = blocks.pop();
      for (const block of blocks) {
        const lines = block.split(/\r?\n/);
        const all = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
        const data = all("data").join("\n");
        if (data) yield { event: all("event")[0] ?? "message", data };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
