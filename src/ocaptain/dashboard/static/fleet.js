"use strict";
// All voyages that there are.

const fleetView = (() => {
  const { h, renew, long } = elements;
  const { state } = store;

  const card = (row) => h("li.card", {},
    h("div.row.spread", {}, h("h2", {}, h("a", { href: `#/${encodeURIComponent(row.voyage)}` },
      row.name || row.voyage)), words.badge(row.state)),
    h("p.muted", {}, h("code", {}, row.voyage), ` · ${row.provider} · `
      + words.several(row.vms, "VM")),
    row.objective && h("p", {}, long(row.objective, 300)),
    row.tasks && overview.progress(row.tasks),
    row.tasks && h("p", {}, `${row.tasks.completed} of ${words.several(row.tasks.total, "task")}`
      + (row.tasks.failed ? `, ${row.tasks.failed} failed` : "")
      + (row.cost_usd === null ? "" : `, ${words.spent(row.cost_usd, [row.usage])}`)),
    (row.fault || row.reason) && h("p", {}, long(row.fault || row.reason, 400)),
    h("p.muted", {}, row.seen_at ? `seen ${words.duration(store.age(row.seen_at))} ago`
      : "not seen yet"));

  const mount = (root) => {
    const list = h("ul.cards", { "aria-label": "Voyages" });
    root.append(list);
    const update = () => {
      const fleet = state.fleet;
      if (!fleet) {
        renew(list, "reading", () => h("li.muted", {}, "Looking for voyages …"));
        return;
      }
      const lately = Math.floor(Date.now() / 5000);
      if (list.contains(document.activeElement) && list.shownSign !== "\"reading\"") {
        renew(list, [fleet, list.shownTime], () => cards(fleet));
        return;
      }
      list.shownTime = lately;
      renew(list, [fleet, lately], () => cards(fleet));
    };
    const cards = (fleet) => [...fleet.faults.map((fault) => h("li.fault", {}, fault)),
      ...fleet.voyages.map(card),
      !fleet.voyages.length && h("li.muted", {}, "There is no voyage. To begin one: ",
        h("code", {}, "ocaptain sail"))];
    update();
    return { update, leave: () => {} };
  };

  return { mount };
})();
