"use strict";
// All tasks as a list: searched, filtered, painted a few at a time.

const tasksView = (() => {
  const { h, renew, long, inChunks } = elements;
  const { state } = store;
  const STATES = ["failed", "in_progress", "ready", "blocked", "completed"];

  // What needs a person comes first.
  const inOrder = (rows) => [...rows].sort((one, other) =>
    STATES.indexOf(words.taskState(one)) - STATES.indexOf(words.taskState(other))
    || words.byId(one.id, other.id));

  const why = (row) => {
    if (row.reason) return row.reason;
    if (row.blocked_by.length) return `waits for ${row.blocked_by.join(", ")}`;
    if (row.landing) return row.behind ? `${row.landing}, behind ${row.behind}` : row.landing;
    return "";
  };

  const took = (row) => {
    if (row.took_s !== null) return words.duration(row.took_s);
    return row.status === "in_progress" && row.since
      ? words.duration(store.now() - row.since) : "";
  };

  const line = (row) => {
    const kind = words.taskState(row);
    return h("li.task", { "data-id": row.id },
      h("span.task-state", {}, words.badge(kind)),
      h("a.task-subject", { href: overview.href(`tasks/${encodeURIComponent(row.id)}`) },
        h("span.task-id", {}, row.id), " ", row.subject.slice(0, 400)),
      h("span.task-why.muted", {}, long(why(row), 160)),
      h("span.task-ship", {}, row.owner || ""),
      h("span.task-took.number", {}, took(row)),
      h("span.task-cost.number", {}, words.costOf(row)));
  };

  const mount = (root, query) => {
    const search = h("input", { type: "search", id: "search", placeholder: "Id, subject, ship, why",
      value: query.get("q") || "", input: () => changed() });
    const ship = h("select", { id: "ship", change: () => changed() });
    const chips = h("div.chips", { role: "group", "aria-label": "States" });
    const count = h("p.muted", { role: "status" });
    const list = h("ul.tasks", { "aria-label": "Tasks" });
    let only = query.get("state") || "";
    root.append(h("div.filters", {}, h("div.field", {}, h("label", { for: "search" }, "Search"),
      search), h("div.field", {}, h("label", { for: "ship" }, "Ship"), ship), chips), count, list);

    let stop = () => {};
    let order = "";
    let known = new Map();

    const changed = () => {
      const kept = new URLSearchParams();
      if (search.value) kept.set("q", search.value);
      if (only) kept.set("state", only);
      if (ship.value) kept.set("ship", ship.value);
      const tail = kept.toString();
      history.replaceState(null, "", overview.href(tail ? `tasks?${tail}` : "tasks"));
      update();
    };

    const isShown = (row, needle) => {
      if (only && words.taskState(row) !== only) return false;
      if (ship.value && row.owner !== ship.value) return false;
      return !needle || `${row.id} ${row.subject} ${row.owner || ""} ${why(row)}`.toLowerCase()
        .includes(needle);
    };

    const chip = (kind, amount) => h("button.chip", { type: "button",
      "aria-pressed": String(only === kind), click: () => {
        only = only === kind ? "" : kind;
        changed();
        const own = chips.querySelector(`[data-kind="${kind || "all"}"]`);
        if (own) own.focus();
      }, "data-kind": kind || "all" },
    kind ? [h("span.mark", { "aria-hidden": "true" }, words.MARKS[kind]), words.said(kind)] : "all",
    " ", h("span.muted", {}, amount));

    const update = () => {
      const rows = state.picture.tasks;
      const counts = d3.rollup(rows, (each) => each.length, words.taskState);
      renew(chips, [[...counts], only], () => [chip("", rows.length),
        ...STATES.map((kind) => chip(kind, counts.get(kind) || 0))]);
      const ships = [...new Set(rows.map((row) => row.owner).filter(Boolean))].sort(words.byId);
      const before = ship.value || query.get("ship") || "";
      renew(ship, ships, () => [h("option", { value: "" }, "all"),
        ...ships.map((id) => h("option", { value: id, selected: id === before }, id))]);
      const needle = search.value.trim().toLowerCase();
      const shown = inOrder(rows.filter((row) => isShown(row, needle)));
      count.textContent = shown.length === rows.length ? words.several(rows.length, "task")
        : `${shown.length} of ${words.several(rows.length, "task")}`;
      const sign = shown.map((row) => row.id).join("\n");
      if (sign !== order) {
        order = sign;
        stop();
        list.replaceChildren();
        known = new Map();
        stop = inChunks(shown, (row) => {
          const made = line(row);
          known.set(row.id, { row, made });
          return made;
        }, list);
        return;
      }
      for (const row of shown) refresh(row);
    };

    // A row that has changed takes its old one's place; what has the keyboard keeps it.
    const refresh = (row) => {
      const old = known.get(row.id);
      if (!old) return;
      if (old.row === row) {
        if (row.status === "in_progress") {
          old.made.querySelector(".task-took").textContent = took(row);
        }
        return;
      }
      const hasFocus = old.made.contains(document.activeElement);
      const made = line(row);
      old.made.replaceWith(made);
      known.set(row.id, { row, made });
      if (hasFocus) made.querySelector("a").focus();
    };

    update();
    return { update, leave: () => stop() };
  };

  return { mount };
})();
