// Hash routes: #/VIEW/REST?PARAMETERS. What a view shows stands there whole, so that it can be linked and Back works.

/** The hash of a view; empty and false parameters are left out. */
export function hashOf(view, parameters = {}, rest = "") {
  const kept = Object.entries(parameters).filter(([, value]) => value !== "" && value !== false && value !== undefined && value !== null);
  const query = new URLSearchParams(kept.map(([name, value]) => [name, value === true ? "1" : String(value)])).toString();
  return `#/${view}${rest && `/${encodeURIComponent(rest)}`}${query && `?${query}`}`;
}

export const chunkHash = (chunkId) => hashOf("chunks", {}, chunkId);

/** A hash in its parts; null when it is no route, such as the target of a skip link. */
export function parse(hash) {
  if (hash === "" || hash === "#") return { view: "search", rest: "", parameters: new URLSearchParams() };
  if (!hash.startsWith("#/")) return null;
  const [path, ...query] = hash.slice(2).split("?");
  const [view, ...rest] = path.split("/");
  return { view, rest: decoded(rest.join("/")), parameters: new URLSearchParams(query.join("?")) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Goes to a hash; the same one once more shows it afresh. */
export function go(hash) {
  if (hash === location.hash) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = hash;
}
