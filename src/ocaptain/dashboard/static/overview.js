"use strict";
// The voyage at a glance: what to do now, the figures, ships, lanes, costs, what landed last.

const overview = (() => {
  const { h, renew, long } = elements;
  const { state } = store;
  const LAST = 6;
  const SLOW_CHECK_S = 5;

  const section = (title, ...parts) => {
    const id = `section-${title.toLowerCase().replace(/\W+/g, "-")}`;
    return h("section", { "aria-labelledby": id }, h("h2", { id }, title), ...parts);
  };

  const href = (path) => `#/${encodeURIComponent(state.picture.voyage)}/${path}`;

  const advice = ({ command, why }) => h("li", {},
    h("div", {}, h("p", {}, why), h("code", {}, command)), orders.ofAdvice(command));

  // One bar of all tasks; each part has its words beside it.
  const progress = (counts) => {
    const kinds = [["completed", counts.completed], ["in_progress", counts.in_progress],
      ["failed", counts.failed], ["pending", counts.pending]];
    const parts = kinds.filter(([, count]) => count).map(([kind, count]) => {
      const part = h(`span.part.${words.tone(kind)}`);
      part.style.flexGrow = count;
      return part;
    });
    return h("div.progress", { role: "img",
      "aria-label": kinds.map(([kind, count]) => `${count} ${words.said(kind)}`).join(", ") },
    parts);
  };

  const figure = (label, value, note) => h("div.figure", {}, h("dt", {}, label),
    h("dd", {}, h("span.value", {}, value), note && h("span.muted", {}, note)));

  const left = () => {
    const { status, landings, chain, tasks } = state.picture;
    if (store.isOver()) return figure("Took", words.duration(status.took_s));
    const took = tasks.map((row) => row.took_s).filter((seconds) => seconds !== null);
    const typical = took.length ? d3.median(took) : null;
    const note = chain.length && typical ? `at least ${words.duration(chain.length * typical)}` : "";
    const count = words.several(chain.length, "task");
    return figure("Longest chain left", landings.length || chain.length ? count : "–", note);
  };

  const atWork = () => {
    const { ships, train } = state.picture.status;
    // A check that takes no time to speak of holds nothing up.
    const rate = train.check_s >= SLOW_CHECK_S ? train.landings_per_hour : null;
    const atIt = ["working", "reviewing", "landing", "verifying"];
    const busy = ships.filter((ship) => atIt.includes(ship.state));
    return figure("Ships at work", `${busy.length} of ${ships.length}`,
      rate ? `at most ${Math.round(rate)} landings an hour` : "");
  };

  const figures = () => {
    const { status, record } = state.picture;
    const counts = status.tasks;
    const going = counts.in_progress ? `${counts.in_progress} in progress` : "";
    return h("dl.figures", {},
      figure("Tasks", `${counts.completed} of ${counts.total}`,
        counts.failed ? `${counts.failed} failed` : going),
      store.isOver() ? figure("verify.sh", status.verify) : atWork(),
      figure("Cost", words.spent(status.cost_usd, [status.usage]),
        allowed(record)),
      left());
  };

  const allowed = (record) => {
    const usd = record.budget_usd ? words.dollars(record.budget_usd) : "";
    const tokens = record.budget_tokens ? `${words.compact(record.budget_tokens)} tokens` : "";
    const limits = [usd, tokens].filter(Boolean).join(" or ");
    return limits ? `of ${limits}` : "";
  };

  const shipRow = (ship) => {
    const task = ship.task && h("a", { href: href(`tasks/${encodeURIComponent(ship.task)}`) },
      `${ship.task} ${ship.subject || ""}`);
    const until = ship.until ? ` until ${words.clock(ship.until)}` : "";
    const why = ship.reason ? `${ship.reason}${until}` : ship.said || "";
    return h("tr", {}, h("th", { scope: "row" }, ship.id),
      h("td", {}, words.badge(ship.state)),
      h("td.number.since"),
      h("td.wide", {}, task || h("span.muted", {}, "no task")),
      h("td.wide.muted", {}, long(why, 200)),
      h("td.number", {}, words.spent(ship.cost_usd, [ship.usage])),
      h("td", {}, h("div.row.tight", {}, orders.ofShip(ship))));
  };

  const HEADS = ["Ship", "State", "For", "Task", "Says", "Cost"];

  // Rows are made anew only if they say something else: there may be hundreds. While the keyboard
  // is in one it stays as it is, so that no button goes from under it.
  const shipTable = (root) => {
    const body = h("tbody");
    const known = new Map();
    root.append(h("div.table-scroll", { tabindex: 0, role: "region",
      "aria-label": "Table of the ships" },
    h("table", {}, h("thead", {}, h("tr", {}, HEADS.map((name) =>
      h("th", { scope: "col" }, name)), h("td"))), body)));

    const row = (ship) => {
      const old = known.get(ship.id);
      const sign = JSON.stringify([{ ...ship, seen_s: 0, seen_at: 0 }, state.isAway]);
      if (old && (old.sign === sign || old.made.contains(document.activeElement))) return old.made;
      const made = shipRow(ship);
      known.set(ship.id, { sign, made });
      return made;
    };
    const update = () => {
      const rows = state.picture.status.ships.map((ship) => {
        const made = row(ship);
        const text = ship.since ? words.duration(store.now() - ship.since) : "";
        const cell = made.querySelector(".since");
        if (cell.textContent !== text) cell.textContent = text;
        return made;
      });
      rows.forEach((made, index) => {
        const there = body.children[index];
        if (made === there) return;
        if (there && !rows.includes(there)) there.replaceWith(made);
        else body.insertBefore(made, there || null);
      });
      while (body.childElementCount > rows.length) body.lastChild.remove();
    };
    return { update };
  };

  const mount = (root) => {
    const advised = h("div");
    const seen = h("div");
    const lanesRoot = h("div");
    const costsRoot = h("div");
    const shipsRoot = h("div");
    const landed = h("div");
    root.append(advised, seen, section("Lanes", lanesRoot), section("Ships", shipsRoot),
      h("div.two", {}, section("Cost", costsRoot), section("Landed last", landed)));
    const parts = [lanes.mount(lanesRoot), costs.mount(costsRoot)];
    const ships = shipTable(shipsRoot);

    const show = () => {
      const { status, record, landings, chain } = state.picture;
      renew(advised, [status.next, status.reason, state.isAway], () => {
        if (!status.next.length) return null;
        return h("section.advice", { "aria-labelledby": "advice" },
          h("h2", { id: "advice" }, "What to do now"), h("ul", {}, status.next.map(advice)));
      });
      renew(seen, [status.tasks, status.ships.map((ship) => ship.state), status.cost_usd,
        status.usage, record.budget_usd, status.train.landings_per_hour, chain, status.took_s],
      () => [progress(status.tasks), figures()]);
      ships.update();
      renew(landed, [landings.length], () => (landings.length
        ? [landingsView.list(landings.slice(-LAST).reverse()),
          h("p", {}, h("a", { href: href("landings") }, "All landings"))]
        : h("p.muted", {}, "Nothing has landed yet.")));
    };
    show();
    return {
      update: () => {
        show();
        for (const part of parts) part.update();
      },
      leave: () => parts.forEach((part) => part.leave()),
    };
  };

  return { mount, section, href, progress };
})();
