// What the page shows, in its address: links to an object, a letter, a job or some of the dead letters, and back.
//
//   #/object/photos/cat.png   #/objects?prefix=photos/   #/letter/ID   #/job/ID   #/letters?code=gone   #/plan?objects=1e6

const handlers = {};
let shown = null; // {dialog, hash, here}: what the address has opened, and whether a click here led to it
let here = false;

/** The address of something, for a link. */
export function link(kind, name = "", query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${kind}${name ? `/${encodeURIComponent(name).replaceAll("%2F", "/").replaceAll("%3A", ":")}` : ""}${search}`;
}

/** {kind, name, query} of an address; kind is empty for one that leads nowhere. */
export function parse(hash) {
  const [, kind = "", name = "", search = ""] = /^#\/([a-z]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(hash) ?? [];
  try {
    return { kind, name: decodeURIComponent(name), query: Object.fromEntries(new URLSearchParams(search)) };
  } catch {
    return { kind: "", name: "", query: {} };
  }
}

/** `handles(name, query)` shows it; it returns the dialog that it has opened, if any. */
export function on(kind, handles) {
  handlers[kind] = handles;
}

/** Shows it, and makes it the address. */
export function go(hash) {
  if (hash === location.hash) follow();
  else location.hash = hash;
}

export function startRoute() {
  window.addEventListener("hashchange", (event) => {
    here = event.newURL !== event.oldURL;
    follow();
  });
  follow();
}

function follow() {
  const { kind, name, query } = parse(location.hash);
  if (shown) {
    const { dialog } = shown;
    shown = null; // so that its closing leaves the address alone
    dialog.close();
    dialog.remove(); // its close event comes later, and the next one is open by then
  }
  const dialog = handlers[kind]?.(name, query);
  if (!(dialog instanceof HTMLDialogElement)) return;
  shown = { dialog, hash: location.hash, here };
  dialog.addEventListener("close", () => closed(dialog));
}

/** Closed by hand: back to where it was opened, or, where the address itself led to it, to the page. */
function closed(dialog) {
  if (shown?.dialog !== dialog) return;
  const { hash, here: byClick } = shown;
  shown = null;
  if (location.hash !== hash) return;
  if (byClick) history.back();
  else history.replaceState(null, "", location.pathname);
}
