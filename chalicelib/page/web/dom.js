// Elements by construction only: what an object's name holds is text, whatever it looks like.

const SVG = "http://www.w3.org/2000/svg";

function build(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else if (name.startsWith("on") || name === "style") {
      throw new Error(`${name}: inline code and styles are refused`); // as the page's policy refuses them
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: el("p", {class: "note", on: {click}}, "text", another). */
export function el(tag, props = {}, ...children) {
  return build(document.createElement(tag), props, children);
}

/** An SVG element, likewise. */
export function svg(tag, props = {}, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

export function byId(id) {
  return document.getElementById(id);
}

/** Sets the text only where it differs, so that a selection survives a refresh. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A long text cut, with a button that shows all of it; a short one as it is. */
export function long(text, most = 180) {
  const all = [...String(text ?? "")];
  if (all.length <= most + 20) return el("bdi", {}, all.join(""));
  const shown = el("bdi", {}, `${all.slice(0, most).join("")}…`);
  const more = el("button", { type: "button", class: "link more", "aria-expanded": "false" }, "show all");
  more.addEventListener("click", () => {
    const open = more.getAttribute("aria-expanded") === "true";
    more.setAttribute("aria-expanded", String(!open));
    setText(more, open ? "show all" : "show less");
    setText(shown, open ? `${all.slice(0, most).join("")}…` : all.join(""));
  });
  return el("span", {}, shown, " ", more);
}

const signatures = new WeakMap();

/**
 * A list by identity: a node whose item is unchanged stays as it is (its image, its focus), the others are
 * made again. Focus that would be lost goes to the new node's part with the same data-keep.
 */
export function keyed(parent, items, idOf, make) {
  const before = new Map([...parent.children].map((node) => [signatures.get(node)?.id, node]));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const kept = focused?.dataset.keep;
  const nodes = items.map((item) => {
    const id = idOf(item);
    const sign = JSON.stringify(item);
    const old = before.get(id);
    if (old && signatures.get(old).sign === sign) return old;
    const node = make(item);
    signatures.set(node, { id, sign });
    return node;
  });
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
  if (kept && document.activeElement !== focused) {
    for (const part of parent.querySelectorAll("[data-keep]")) if (part.dataset.keep === kept) part.focus();
  }
}
