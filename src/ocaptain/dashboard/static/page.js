"use strict";
// The page: which view is shown, its head, and what is wrong with what is shown.

(() => {
  const { h, renew, long } = elements;
  const { state } = store;
  const head = document.getElementById("head");
  const tabs = document.getElementById("tabs");
  const alarms = document.getElementById("alarms");
  const main = document.getElementById("main");
  const PATIENCE_S = 15;
  const VIEWS = {
    "": ["Overview", overview.mount], plan: ["Plan", graph.mount],
    tasks: ["Tasks", tasksView.mount], log: ["Log", logView.mount],
    landings: ["Landings", landingsView.mount],
  };
  let view = null;
  let shown = null;

  const ageText = h("span.age");
  const headLine = h("div");
  const buttons = h("div.row.orders", { role: "group", "aria-label": "Orders" });
  head.append(h("div.head-text", {}, headLine, ageText), buttons);

  // `#/voyage/view/item?query`
  const route = () => {
    const [path, tail = ""] = location.hash.slice(1).split("?");
    const words_ = path.split("/").slice(1).map((word) => {
      try { return decodeURIComponent(word); } catch { return word; }
    });
    const voyage = store.report ? state.picture.voyage : words_[0] || "";
    return { voyage, name: words_[1] || "", item: words_[2] || "",
      query: new URLSearchParams(tail) };
  };

  const showHead = () => {
    const picture = state.picture;
    const { voyage } = route();
    if (!picture) {
      renew(headLine, voyage, () => h("h1", {}, voyage || "Voyages"));
      buttons.replaceChildren();
      buttons.shownSign = null;
      document.title = voyage ? `${voyage} – ocaptain` : "ocaptain";
      return;
    }
    const { status } = picture;
    document.title = `${words.MARKS[status.state] || ""} ${status.name} – ocaptain`;
    const others = state.fleet && state.fleet.voyages.length > 1;
    renew(headLine, [status.name, status.objective, status.state, status.reason, others,
      status.mirror_fault, status.notify_fault, status.pr_url],
    () => [
      others && h("a.back", { href: "#/" }, "← All voyages"),
      h("div.row", {}, h("h1", {}, status.name), words.badge(status.state)),
      h("p.objective", {}, long(status.objective, 400)),
      status.reason && h("p.reason", {}, long(status.reason, 600)),
      [status.mirror_fault, status.notify_fault, status.upkeep_fault].filter(Boolean)
        .map((fault) => h("p.reason", {}, long(fault, 400))),
      pullRequest(status.pr_url),
    ]);
    const hasFocus = buttons.contains(document.activeElement);
    renew(buttons, [status.state, picture.record.interactive, state.isAway],
      () => orders.ofVoyage());
    // The button that had the keyboard may have gone: its place is the first one's.
    const first = buttons.querySelector("button");
    if (hasFocus && first && !buttons.contains(document.activeElement)) first.focus();
  };

  const pullRequest = (url) => (/^https:\/\//.test(url || "") ? h("p", {}, h("a", { href: url,
    rel: "noreferrer noopener", target: "_blank" }, "Pull request")) : null);

  const showTabs = () => {
    const { voyage, name } = route();
    tabs.hidden = !state.picture;
    renew(tabs, [voyage, name, Boolean(state.picture)], () => h("ul", {},
      Object.entries(VIEWS).map(([key, [title]]) => h("li", {}, h("a", {
        href: `#/${encodeURIComponent(voyage)}${key ? `/${key}` : ""}`,
        "aria-current": key === name ? "page" : null }, title)))));
  };

  // An honest age, and what is not to be trusted.
  const showAge = () => {
    const picture = state.picture;
    if (store.report) {
      const made = words.clock(store.report.made_at);
      ageText.textContent = `Report of ${made}; nothing in it changes. ocaptain `
        + `${store.report.version}`;
      alarm(store.report.cut.map((sentence) => ["quiet", sentence]));
      return;
    }
    const said = [];
    if (!picture) {
      ageText.textContent = "";
      if (state.fault) said.push(["bad", `Storage does not answer: ${state.fault}`]);
      if (state.isAway) said.push(["bad", AWAY]);
      alarm(said);
      return;
    }
    const age = store.age(picture.seen_at);
    ageText.textContent = `seen ${words.duration(age)} ago`;
    ageText.title = new Date(picture.seen_at * 1000).toLocaleString();
    const asOf = `All of this is as it was at ${words.clock(picture.seen_at)}.`;
    const isSilent = !picture.fault && age > PATIENCE_S;
    if (state.isAway) said.push(["bad", `${AWAY} ${asOf}`]);
    else if (picture.fault) said.push(["bad", `Storage does not answer. ${asOf} `
      + `It is tried again. ${picture.fault}`]);
    else if (isSilent) said.push(["bad", `Nothing has been heard for a while. ${asOf}`]);
    if (picture.is_whole === false && !said.length) {
      said.push(["quiet", "The journal is still being read: lanes and costs are not whole yet."]);
    }
    alarm(said);
  };
  const AWAY = "`ocaptain dashboard` does not answer: it has ended, or this machine is busy. "
    + "The voyage goes on without it.";

  const alarm = (said) => {
    document.body.classList.toggle("stale", said.some(([tone]) => tone === "bad"));
    renew(alarms, said, () => said.map(([tone, text]) => h(`p.alarm.${tone}`, {}, text)));
  };

  const viewOf = ({ voyage, name, item, query }) => {
    if (!voyage) return [fleetView.mount, query];
    if (!state.picture) return [waiting, query];
    if (name === "tasks" && item) return [taskView.mount, query, item];
    return [(VIEWS[name] || VIEWS[""])[1], query];
  };

  const waiting = (root) => {
    root.append(h("p.muted", {}, "Reading the voyage …"));
    return { update: () => {}, leave: () => {} };
  };

  const show = () => {
    const where = route();
    const sign = `${where.voyage} ${where.name} ${where.item} ${Boolean(state.picture)} `
      + `${where.name === "log" ? where.query : ""}`;
    showHead();
    showTabs();
    showAge();
    if (sign === shown) {
      view.update();
      return;
    }
    if (view) view.leave();
    const isFirst = shown === null;
    shown = sign;
    const [mount, ...given] = viewOf(where);
    const root = h("div.view");
    main.replaceChildren(root);
    view = mount(root, ...given);
    if (!isFirst) window.scrollTo(0, 0);
  };

  const go = () => {
    const { voyage } = route();
    store.follow(voyage);
    show();
  };

  store.listen((kinds) => {
    const { voyage } = route();
    if (kinds.has("fleet") && !voyage && state.fleet.named) {
      location.replace(`#/${encodeURIComponent(state.fleet.named)}`);
      return;
    }
    show();
  });
  window.addEventListener("hashchange", () => {
    go();
    if (!dialogIsOpen()) main.focus({ preventScroll: true });
  });
  const dialogIsOpen = () => Boolean(document.querySelector("dialog[open]"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) show(); });
  setInterval(() => { if (!document.hidden && !store.report) showAge(); }, 1000);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  go();
})();
