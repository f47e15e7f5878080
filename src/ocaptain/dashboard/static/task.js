"use strict";
// One task: what is to be done, its attempts, what it brought to the branch, its log.

const taskView = (() => {
  const { h, renew, long, inChunks } = elements;
  const { state } = store;
  const LONGEST_DIFF = 20000;

  const link = (row) => h("li", {}, h("a", {
    href: overview.href(`tasks/${encodeURIComponent(row.id)}`) }, `${row.id} ${row.subject}`),
  " ", words.badge(row.status));

  const links = (title, rows) => (rows && rows.length
    ? h("div", {}, h("h3", {}, title), h("ul.plain", {}, rows.map(link))) : null);

  const fact = (name, value) => (value === null || value === undefined || value === "" ? null
    : [h("dt", {}, name), h("dd", {}, value)]);

  const lineKind = (line) => {
    if (/^(diff |index |new file|deleted file|similarity|rename|old mode|new mode)/.test(line)) {
      return "head";
    }
    if (line.startsWith("+++") || line.startsWith("---")) return "head";
    if (line.startsWith("@@")) return "hunk";
    if (line.startsWith("+")) return "added";
    return line.startsWith("-") ? "removed" : "";
  };

  const diffBlock = (diff) => {
    const lines = diff.text.split("\n");
    const block = h("div.diff", { tabindex: 0, role: "region", "aria-label": "Diff" });
    inChunks(lines.slice(0, LONGEST_DIFF), (line) => {
      const kind = lineKind(line);
      return h(kind ? `div.${kind}` : "div", {}, long(line || " ", 1000));
    }, block);
    const isCut = diff.cut || lines.length > LONGEST_DIFF;
    return [h("p.muted", {}, "From ", h("code", {}, diff.base.slice(0, 12)), " to ",
      h("code", {}, diff.commit.slice(0, 12)), "."),
    block, isCut && h("p.muted", {}, "There is more of it: git has it all.")];
  };

  // Something that is asked for only when it is opened.
  const opened = (title, ask, show) => {
    const body = h("div.opened");
    const node = h("details", { toggle: async () => {
      if (!node.open || body.dataset.asked) return;
      body.dataset.asked = "yes";
      body.replaceChildren(h("p.muted", {}, "Reading …"));
      try {
        const found = await ask();
        body.replaceChildren(...[show(found)].flat().filter(Boolean));
      } catch (fault) {
        delete body.dataset.asked;
        body.replaceChildren(h("p.muted", {}, fault.message));
      }
    } }, h("summary", {}, title), body);
    return node;
  };

  const transcriptBlock = (found) => [
    h("pre.transcript", { tabindex: 0, "aria-label": "Transcript" }, long(found.text, 100000)),
    found.cut && h("p.muted", {}, "There is more of it: ",
      h("code", {}, `ocaptain transcript ${found.task || ""}`.trim()))];

  const used = (claim) => {
    const total = words.tokens(claim.usage);
    const models = Object.keys(claim.usage || {});
    return total ? h("span", { title: models.join(", ") }, `${words.compact(total)} tokens`) : "";
  };

  const VERDICTS = { approve: "approved", reject: "rejected", none: "no verdict" };
  const review = (told) => h("div.review", {},
    h("div.row.spread", {}, h("strong", {}, `Review by ${told.agent}`),
      words.badge(VERDICTS[told.verdict] || "no verdict"), h("code", {}, told.commit.slice(0, 12)),
      told.model && h("span.muted", {}, told.model),
      h("span.muted", {}, words.duration(told.took_s)),
      h("span", {}, words.spent(told.cost_usd, told.usage))),
    told.words && h("blockquote", {}, long(told.words, 1200)));

  const attempt = (claim, told) => {
    const end = claim.ended_at || store.now();
    const spent = claim.cost_usd ? words.dollars(claim.cost_usd) : "";
    return [
      h("div.row.spread", {}, h("strong", {}, `${claim.ship}`), words.badge(claim.state),
        h("span.muted", {}, words.time(claim.claimed_at),
          ` for ${words.duration(end - claim.claimed_at)}`),
        claim.agent && h("span.muted", {}, claim.agent), h("span", {}, spent),
        h("span.muted", {}, used(claim))),
      claim.why && h("p", {}, long(claim.why, 600)),
      phaseLine(claim, end),
      told && told.last_words && h("blockquote", {}, long(told.last_words, 1200)),
      ...(told && told.reviews ? told.reviews.map(review) : []),
    ];
  };

  const phaseLine = (claim, end) => {
    const sums = d3.rollup(claim.phases, (rows) => d3.sum(rows, (row) =>
      (row.until === null ? end : row.until) - row.from), (row) => row.state);
    if (!sums.size) return null;
    const parts = [...sums].map(([name, seconds]) =>
      `${words.phase(name)} ${words.duration(seconds)}`);
    return h("p.muted", {}, parts.join(" · "));
  };

  const landedBlock = (details, row) => {
    const landed = details.landed;
    if (!landed) return null;
    return overview.section("Landed",
      h("p.muted", {}, `${words.several(landed.changed, "file")}, `
        + `${words.several(landed.added, "line")} added, ${landed.removed} removed.`),
      h("ul.plain", {}, landed.commits.map((commit) => h("li", {},
        h("code", {}, commit.commit.slice(0, 12)), " ", commit.subject))),
      h("ul.plain.files", {}, landed.files.map((file) => h("li", {}, h("code", {}, file.path),
        " ", file.added === null ? h("span.muted", {}, "binary")
          : h("span.muted", {}, `+${file.added} −${file.removed}`)))),
      opened("Diff", () => store.diff(row.id), diffBlock));
  };

  const mount = (root, query, id) => {
    const head = h("div");
    const body = h("div");
    root.append(h("p", {}, h("a", { href: overview.href("tasks") }, "← All tasks")), head, body);
    let details = null;
    let fault = "";
    let asked = "";
    let hasLeft = false;

    const claims = () => state.picture.claims.filter((claim) => claim.task === id);
    const sign = () => {
      const row = store.task(id);
      return row && JSON.stringify([row.status, row.claim, row.subject, row.blockers, row.commit]);
    };

    // What storage knows of it is asked for again whenever its row has changed.
    const ask = async () => {
      asked = sign();
      try {
        details = await store.details(id);
        fault = "";
      } catch (failure) {
        fault = failure.message;
      }
      if (!hasLeft) update();
    };

    const headOf = (row) => {
      const kind = words.taskState(row);
      return [h("h2.title", {}, h("span.task-id", {}, row.id), " ", row.subject),
        h("div.row", {}, words.badge(kind), row.owner && h("span", {}, row.owner),
          row.landing && h("span.muted", {}, row.landing),
          h("span.spacer"), orders.ofTask(row, details)),
        row.reason && h("p.reason", {}, long(row.reason, 1500))];
    };

    const whatOf = (row) => {
      const files = row.files.length ? h("ul.plain", {}, row.files.slice(0, 200).map((path) =>
        h("li", {}, h("code", {}, path)))) : null;
      const facts = h("dl.facts", {}, [
        fact("Agent", [row.agent, row.model].filter(Boolean).join(", ")),
        fact("Cost", words.costOf(row)),
        fact("Took", row.took_s === null ? "" : words.duration(row.took_s)),
        fact("Failed attempts", row.attempts || ""),
        fact("Commit", row.commit && h("code", {}, row.commit.slice(0, 12))),
        fact("May touch", files)].filter(Boolean));
      const text = details && details.description;
      const nothing = details ? "Nothing more is said." : fault ? "" : "Reading …";
      return [
        fault && h("p.fault", {}, fault),
        overview.section("What is to be done",
          text ? h("div.prose", {}, long(text, 20000)) : h("p.muted", {}, nothing),
          details && details.run && h("pre", { tabindex: 0, "aria-label": "Command" },
            long(details.run)), facts),
        details && h("div.two", {}, links("Waits for", details.blockers),
          links("Others wait for it", details.dependants)),
      ];
    };

    const logOf = () => (details ? overview.section("Log", details.log && details.log.length
      ? [logView.list(details.log), h("p", {}, h("a", {
        href: overview.href(`log?task=${encodeURIComponent(id)}`) }, "All of its log"))]
      : h("p.muted", {}, "There is no line about it.")) : null);

    // Each part is painted anew only if it has changed: what somebody has opened stays open.
    const attempts = h("ol.plain");
    const none = h("p.muted", {}, "No ship has been at it yet.");
    const parts = { what: h("div"), attempts: overview.section("Attempts", none, attempts),
      landed: h("div"), log: h("div") };
    body.append(...Object.values(parts));
    const shownAttempts = new Map();
    const showAttempts = () => {
      for (const claim of claims()) {
        if (!shownAttempts.has(claim.number)) {
          const made = { facts: h("div.attempt-facts"), transcript: h("div") };
          shownAttempts.set(claim.number, made);
          attempts.prepend(h("li.attempt", {}, made.facts, made.transcript));
        }
        const { facts, transcript } = shownAttempts.get(claim.number);
        const told = details && details.claims.find((each) => each.number === claim.number);
        const lately = claim.ended_at ? 0 : Math.floor(store.now() / 5);
        renew(facts, [claim, told, lately], () => attempt(claim, told));
        renew(transcript, Boolean(claim.ended_at), () => claim.ended_at && opened("Transcript",
          () => store.transcript(claim.task, claim.number), transcriptBlock));
      }
      none.hidden = shownAttempts.size > 0;
    };

    const update = () => {
      const row = store.task(id);
      if (!row) {
        head.replaceChildren(h("p", {}, `There is no task ${id.slice(0, 100)} in this voyage.`));
        body.hidden = true;
        return;
      }
      body.hidden = false;
      if (asked !== sign()) ask();
      renew(head, [row, state.isAway, details && [details.description, details.run]], () => headOf(row));
      renew(parts.what, [row, fault, details && [details.description, details.run,
        details.blockers, details.dependants]], () => whatOf(row));
      showAttempts();
      renew(parts.landed, details && details.landed, () => (details ? landedBlock(details, row)
        : null));
      renew(parts.log, details && details.log, logOf);
    };

    update();
    return { update, leave: () => { hasLeft = true; } };
  };

  return { mount };
})();
