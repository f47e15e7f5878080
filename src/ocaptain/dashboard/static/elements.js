"use strict";
// Elements from names, attributes and texts. Nothing here takes markup: texts stay texts.

const elements = (() => {
  const SVG = "http://www.w3.org/2000/svg";

  // An attribute may be a handler, a flag, or text; null leaves it out.
  const attribute = (node, name, value) => {
    if (value === null || value === undefined || value === false) return;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  };

  const filled = (node, attributes, parts) => {
    for (const [name, value] of Object.entries(attributes || {})) attribute(node, name, value);
    for (const part of parts.flat(2)) {
      if (part !== null && part !== undefined && part !== false) node.append(part);
    }
    return node;
  };

  // `h("p.small", {id: "a"}, "text", node)`
  const h = (name, attributes, ...parts) => {
    const [tag, ...classes] = name.split(".");
    const node = document.createElement(tag);
    if (classes.length) node.className = classes.join(" ");
    return filled(node, attributes, parts);
  };

  const s = (name, attributes, ...parts) => {
    const [tag, ...classes] = name.split(".");
    const node = document.createElementNS(SVG, tag);
    if (classes.length) node.setAttribute("class", classes.join(" "));
    return filled(node, attributes, parts);
  };

  // Replaces what is in a node only if what it shows has changed: focus and selection stay.
  const renew = (node, sign, make) => {
    const key = JSON.stringify(sign);
    if (node.shownSign === key) return;
    node.shownSign = key;
    node.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
  };

  const LONGEST = 4000;

  // A text of a stranger's that may be very long: the beginning, and the rest if it is wanted.
  const long = (text, limit = LONGEST) => {
    if (text.length <= limit) return document.createTextNode(text);
    const rest = text.length - limit;
    const node = h("span", {}, text.slice(0, limit));
    const more = h("button.link", {
      type: "button",
      click: () => {
        node.firstChild.textContent = text.slice(0, limit + 200000);
        more.remove();
      },
    }, ` … ${rest.toLocaleString("en")} characters more`);
    node.append(more);
    return node;
  };

  // Paints many rows a few at a time, so that the first are there at once.
  const FIRST = 80;
  const STEP = 200;
  const inChunks = (items, make, into) => {
    let at = 0;
    let ended = false;
    const step = (count) => {
      if (ended) return;
      const part = document.createDocumentFragment();
      for (const item of items.slice(at, at + count)) part.append(make(item));
      into.append(part);
      at += count;
      if (at < items.length) requestAnimationFrame(() => step(STEP));
    };
    step(FIRST);
    return () => { ended = true; };
  };

  return { h, s, renew, long, inChunks };
})();
