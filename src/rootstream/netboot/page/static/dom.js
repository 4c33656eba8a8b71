// Elements from data, and a way to bring a page up to date without touching what stays: focus, selections and
// opened parts survive. Text is only ever set as text.

const SVG = new Set(["svg", "g", "rect", "line", "text", "title", "path", "circle"]);

export function h(name, words = {}, ...children) {
  const node = SVG.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(words)) {
    if (value === false || value === null || value === undefined) continue;
    node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false)
    .map((each) => (each instanceof Node ? each : String(each))));
  return node;
}

function same(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName &&
    (one.nodeType !== Node.ELEMENT_NODE || one.getAttribute("data-key") === other.getAttribute("data-key"));
}

function attributes(node, wanted) {
  for (const each of [...node.attributes]) {
    // what a person opened stays open
    if (!wanted.hasAttribute(each.name) && !(node.nodeName === "DETAILS" && each.name === "open")) {
      node.removeAttribute(each.name);
    }
  }
  for (const each of wanted.attributes) {
    if (node.getAttribute(each.name) !== each.value) node.setAttribute(each.name, each.value);
  }
}

function morph(node, wanted) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  attributes(node, wanted);
  if (!node.hasAttribute("data-own")) fill(node, [...wanted.childNodes]);
}

// Give an element these children. Elements with the same data-key are the same; one with data-own minds its own.
export function fill(parent, wanted) {
  const keyed = new Map();
  for (const each of parent.children) {
    const key = each.getAttribute("data-key");
    if (key !== null) keyed.set(key, each);
  }
  const stays = new Set(wanted.map((each) => (each.nodeType === Node.ELEMENT_NODE ? each.getAttribute("data-key") : null)));
  for (const [key, each] of keyed) {
    if (!stays.has(key)) each.remove(); // first of all: what is moved loses its focus and where it was scrolled to
  }
  let here = parent.firstChild;
  for (const each of wanted) {
    const key = each.nodeType === Node.ELEMENT_NODE ? each.getAttribute("data-key") : null;
    const kept = key !== null ? keyed.get(key) : null;
    if (kept && same(kept, each)) {
      if (kept === here) here = here.nextSibling;
      else parent.insertBefore(kept, here);
      morph(kept, each);
    } else if (here && key === null && same(here, each)) {
      const next = here.nextSibling;
      morph(here, each);
      here = next;
    } else {
      parent.insertBefore(each, here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}
