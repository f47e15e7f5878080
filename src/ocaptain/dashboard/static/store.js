"use strict";
// What is known: the report's data, or what the stream tells. Views are told of each change.

const store = (() => {
  const block = document.getElementById("ocaptain-report");
  const report = block ? JSON.parse(block.textContent) : null;
  const listeners = new Set();
  let stream = null;
  let followed = null;
  let waiting = new Set();

  const state = {
    report,
    fleet: null,
    picture: report ? report.picture : null,
    orders: new Map(),
    fault: "",      // why the voyage cannot be seen, if there is no picture of it yet
    isAway: false,  // whether `ocaptain dashboard` itself does not answer
  };

  const isOver = () => ["complete", "failed"].includes(state.picture.status.state);

  // Changes come in bursts: all that came since the last frame is shown at once.
  const flush = () => {
    const kinds = waiting;
    waiting = new Set();
    for (const listener of [...listeners]) listener(kinds);
  };
  const tell = (...kinds) => {
    if (!waiting.size) {
      if (document.hidden) setTimeout(flush, 500);
      else requestAnimationFrame(flush);
    }
    for (const kind of kinds) waiting.add(kind);
  };

  const listen = (use) => {
    listeners.add(use);
    return () => listeners.delete(use);
  };

  const merged = (rows, news, key) => {
    const known = new Map(rows.map((row) => [row[key], row]));
    for (const row of news) known.set(row[key], row);
    return [...known.values()];
  };

  const merge = (change) => {
    const picture = state.picture;
    if (change.tasks) picture.tasks = merged(picture.tasks, change.tasks, "id");
    if (change.claims) picture.claims = merged(picture.claims, change.claims, "number");
    if (change.landings) picture.landings = [...picture.landings, ...change.landings];
    if (change.costs_anew) picture.costs = change.costs_anew;
    const plain = ["record", "status", "chain", "is_there", "is_whole", "now", "seen_at", "fault"];
    for (const name of plain) if (name in change) picture[name] = change[name];
  };

  const follow = (chosen) => {
    if (report || (stream && followed === chosen)) return;
    if (stream) stream.close();
    followed = chosen;
    state.picture = null;
    state.fault = "";
    const query = chosen ? `?voyage=${encodeURIComponent(chosen)}` : "";
    stream = new EventSource(`api/stream${query}`);
    const on = (kind, use) => stream.addEventListener(kind, (event) => use(JSON.parse(event.data)));
    stream.addEventListener("open", () => { state.isAway = false; tell("tick"); });
    stream.addEventListener("error", () => { lost(chosen); });
    on("fleet", (fleet) => { state.fleet = fleet; tell("fleet"); });
    on("picture", (picture) => { state.picture = picture; tell("picture"); });
    on("change", (change) => {
      if (!state.picture || change.voyage !== state.picture.voyage) return;
      merge(change);
      tell(...Object.keys(change));
    });
    on("tick", (sign) => {
      if (state.picture) merge({ now: sign.now, seen_at: sign.seen_at, fault: sign.fault });
      else state.fault = sign.fault;
      tell("tick");
    });
    on("order", (order) => { state.orders.set(order.id, order); tell("orders"); });
  };

  // A stream that was refused is not tried again by the browser: there is no such voyage, or
  // another dashboard has taken this one's place.
  const lost = (chosen) => {
    state.isAway = true;
    if (stream.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        if (followed !== chosen) return;
        followed = undefined;
        const picture = state.picture;
        follow(chosen);
        state.picture = picture;
      }, 3000);
    }
    tell("tick");
  };

  // Seconds since what is shown was seen; of a report, since it was made, which is none.
  const age = (seenAt) => (report ? 0 : Math.max(0, Date.now() / 1000 - seenAt));

  // Storage's clock. It stands while storage is not heard: nothing is known of later.
  const now = () => {
    const picture = state.picture;
    const stands = report || picture.fault || state.isAway;
    return stands ? picture.now : picture.now + age(picture.seen_at);
  };

  // When the voyage has ended; if it goes on, now.
  const end = () => (isOver() ? Date.parse(state.picture.status.ended_at) / 1000 || now() : now());

  const ask = async (path) => {
    const answer = await fetch(`api/voyages/${encodeURIComponent(state.picture.voyage)}/${path}`);
    const data = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(data.error || `It was answered with ${answer.status}.`);
    return data;
  };

  const missing = (what) => Promise.reject(new Error(`The report has no ${what} of it.`));
  const kept = (data, what) => (data ? Promise.resolve(data) : missing(what));

  const details = (task) => {
    if (!report) return ask(`tasks/${encodeURIComponent(task)}`);
    const found = report.details[task];
    const log = report.logs.filter((line) => line.task === task).slice(-200);
    return kept(found && { ...found, log }, "details");
  };
  const diff = (task) => (report
    ? kept(report.diffs[task], "diff")
    : ask(`tasks/${encodeURIComponent(task)}/diff`));
  const transcript = (task, claim) => (report
    ? kept(report.transcripts[`${task}-${claim}`], "transcript")
    : ask(`transcript?${new URLSearchParams({ task, claim })}`));

  const task = (id) => state.picture.tasks.find((row) => row.id === id);

  return { state, report, follow, listen, tell, age, now, end, ask, details, diff, transcript, task,
    isOver };
})();
