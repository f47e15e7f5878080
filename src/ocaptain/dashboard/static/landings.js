"use strict";
// What has landed on the branch, and when.

const landingsView = (() => {
  const { h, inChunks } = elements;
  const { state } = store;

  const line = (landing) => h("li", {}, words.time(landing.at),
    h("a", { href: overview.href(`tasks/${encodeURIComponent(landing.task)}`) },
      `${landing.task} ${landing.subject.slice(0, 300)}`),
    h("span.muted", {}, landing.ship, " ",
      h("code", {}, landing.commit ? landing.commit.slice(0, 12) : "no change")));

  const list = (rows) => h("ol.landings", { reversed: true }, rows.map(line));

  const mount = (root) => {
    const { status, record } = state.picture;
    const text = h("p.muted");
    const all = h("ol.landings");
    root.append(h("h2", {}, "Landings"), text, all);
    let shown = 0;
    let stop = () => {};
    const update = () => {
      const { landings } = state.picture;
      text.replaceChildren(`${words.several(landings.length, "landing")} on `,
        h("code", {}, status.branch), record.branch ? ` (from ${record.branch})` : "",
        ", which is at ", h("code", {}, state.picture.status.head.slice(0, 12)), ".");
      if (!shown) {
        stop = inChunks([...landings].reverse(), line, all);
      } else {
        for (const landing of landings.slice(shown)) all.prepend(line(landing));
      }
      shown = landings.length;
    };
    update();
    return { update, leave: () => stop() };
  };

  return { mount, list };
})();
