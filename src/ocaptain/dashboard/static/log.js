"use strict";
// The log, as it goes on.

const logView = (() => {
  const { h, long } = elements;
  const { state } = store;
  const KEPT = 2000;
  const HUES = 6;

  const hue = (ship) => {
    const number = Number((/^ship-(\d+)$/.exec(ship) || [])[1]);
    return Number.isNaN(number) ? "hand" : `hue-${number % HUES}`;
  };

  const line = (entry) => {
    const seconds = Date.parse(entry.time) / 1000;
    return h("li", {}, words.time(seconds) || h("span", {}, entry.time.slice(0, 40)),
      h(`span.log-ship.${hue(entry.ship)}`, {}, entry.ship.slice(0, 20)),
      h("span.log-text", {}, long(entry.text, 1500)));
  };

  const list = (entries) => h("ol.log", { tabindex: 0, "aria-label": "Lines of the log" },
    entries.map(line));

  const matches = (entry, { ship, task, pattern }) => {
    if (ship && entry.ship !== ship) return false;
    if (task && entry.task !== task) return false;
    return !pattern || new RegExp(pattern, "i").test(entry.text);
  };

  const mount = (root, query) => {
    const ships = state.picture.status.ships.map((ship) => ship.id);
    const names = [...ships, "captain", "harbor"];
    const ship = h("select", { id: "log-ship", change: () => begin() },
      h("option", { value: "" }, "all"), names.map((id) => h("option",
        { value: id, selected: id === query.get("ship") }, id)));
    const task = h("input", { id: "log-task", size: 6, autocomplete: "off",
      value: query.get("task") || "", change: () => begin() });
    const pattern = h("input", { id: "log-pattern", type: "search", change: () => begin(),
      value: query.get("q") || "" });
    const stick = h("input", { id: "log-stick", type: "checkbox", checked: true });
    const lines = h("ol.log.tall", { tabindex: 0, "aria-label": "Lines of the log" });
    const said = h("p.fault", { role: "status" });
    const one = (label, input) => h("div.field", {}, h("label", { for: input.id }, label), input);
    root.append(h("h2.sr", {}, "Log"), h("div.filters", {}, one("Ship", ship), one("Task", task),
      one("Regular expression", pattern),
      !store.report && h("label.check", { for: "log-stick" }, stick, "Stay at the end")),
    said, lines);

    let source = null;
    let waiting = [];

    const add = (entries) => {
      if (!waiting.length) requestAnimationFrame(paint);
      waiting.push(...entries);
    };
    const paint = () => {
      const part = document.createDocumentFragment();
      for (const entry of waiting.slice(-KEPT)) part.append(line(entry));
      waiting = [];
      lines.append(part);
      while (lines.childElementCount > KEPT) lines.firstChild.remove();
      if (stick.checked) lines.scrollTop = lines.scrollHeight;
    };

    const end = () => {
      if (source) source.close();
      source = null;
      waiting = [];
    };

    const begin = () => {
      end();
      lines.replaceChildren();
      said.textContent = "";
      const wanted = { ship: ship.value, task: task.value.trim(), pattern: pattern.value };
      try {
        if (wanted.pattern) new RegExp(wanted.pattern);
      } catch {
        said.textContent = "That is no regular expression.";
        return;
      }
      if (store.report) {
        add(store.report.logs.filter((entry) => matches(entry, wanted)).slice(-KEPT));
        return;
      }
      const asked = new URLSearchParams({ ...wanted, tail: "500", follow: "1" });
      const voyage = encodeURIComponent(state.picture.voyage);
      source = new EventSource(`api/voyages/${voyage}/logs?${asked}`);
      let isAnew = true;
      source.addEventListener("line", (event) => {
        if (isAnew) lines.replaceChildren();
        isAnew = false;
        said.textContent = "";
        add(JSON.parse(event.data).lines);
      });
      source.addEventListener("fault", (event) => {
        said.textContent = JSON.parse(event.data).error;
      });
      source.addEventListener("error", () => { isAnew = true; });
    };

    begin();
    return { update: () => {}, leave: end };
  };

  return { mount, list };
})();
