"use strict";
// States, times and money as people say them. A state has a mark too: colour is never alone.

const words = (() => {
  const { h } = elements;

  const TONES = {
    bad: ["failed", "broken", "lost", "stalled", "unseen", "expired", "abandoned", "missing"],
    warn: ["limited", "paused", "halted", "released", "rejected", "no verdict"],
    busy: ["running", "in_progress", "working", "reviewing", "landing", "verifying", "live",
      "checking", "rebasing", "provisioning", "starting"],
    good: ["complete", "completed", "landed", "done", "passed", "green", "approved"],
  };
  const MARKS = {
    failed: "✕", broken: "✕", lost: "✕", stalled: "!", unseen: "?", expired: "✕", abandoned: "✕",
    missing: "?", limited: "◔", paused: "‖", halted: "■", released: "↩", running: "▶",
    in_progress: "●", working: "●", live: "●", landing: "▲", checking: "◐", rebasing: "◑",
    verifying: "◆", provisioning: "…", starting: "…", complete: "✓", completed: "✓", landed: "✓",
    done: "✓", passed: "✓", green: "✓", ready: "○", waiting: "○", idle: "○", blocked: "◌",
    relieved: "–", sunk: "–", pending: "○",
    reviewing: "◇", approved: "✓", rejected: "↩", "no verdict": "?",
  };
  const SAID = { in_progress: "in progress" };

  const tone = (state) => {
    for (const [name, states] of Object.entries(TONES)) if (states.includes(state)) return name;
    return "quiet";
  };

  const said = (state) => SAID[state] || String(state);

  const badge = (state, text) => h(`span.badge.${tone(state)}`, {},
    h("span.mark", { "aria-hidden": "true" }, MARKS[state] || "·"), text || said(state));

  // `ready` and `blocked` are what a pending task may be.
  const taskState = (row) => {
    if (row.status !== "pending") return row.status;
    return row.blocked_by.length ? "blocked" : "ready";
  };

  const duration = (seconds) => {
    if (seconds === null || seconds === undefined) return "";
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 10) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    const days = Math.floor(hours / 24);
    return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
  };

  const two = (number) => String(number).padStart(2, "0");

  const clock = (seconds) => {
    const date = new Date(seconds * 1000);
    const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
    const isToday = date.toDateString() === new Date().toDateString();
    if (isToday) return time;
    return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
  };

  const time = (seconds) => {
    if (!seconds) return null;
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return null;
    return h("time", { datetime: date.toISOString(), title: date.toLocaleString() },
      clock(seconds));
  };

  // These are made once: each takes longer to make than to use a thousand times.
  const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const numbered = new Intl.Collator("en", { numeric: true });

  const dollars = (amount) => (amount === null || amount === undefined ? ""
    : `$${cents.format(amount)}`);

  const tokens = (usage) => {
    let total = 0;
    for (const used of Object.values(usage || {}).filter(Boolean)) {
      total += (used.input_tokens || 0) + (used.output_tokens || 0);
      total += (used.cache_read_tokens || 0) + (used.cache_write_tokens || 0);
    }
    return total;
  };

  // Dollars; if the agents tell none, how many tokens were used.
  const spent = (amount, usage) => {
    const total = tokens(usage);
    if (total && !amount) return `${compact(total)} tokens`;
    return amount > 0 && amount < 0.005 ? "<$0.01" : dollars(amount);
  };

  const costOf = (row) => row.cost_usd || tokens([row.usage])
    ? spent(row.cost_usd, [row.usage]) : "";

  const compact = (number) => short.format(number);

  const several = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  const PHASES = [
    ["working", "working"], ["reviewing", "reviewed by another agent"],
    ["waiting", "waiting for a place"], ["rebasing", "rebasing"],
    ["checking", "checking"], ["green", "checked, waiting for those ahead"],
    ["landing", "landing"], ["limited", "limited by the API"], ["verifying", "verifying"],
    ["lost", "lost"],
  ];
  // What looks alike is told once.
  const LEGEND = [
    ["working", "working"], ["reviewing", "reviewed by another agent"],
    ["waiting", "waiting for a place, or for those ahead"],
    ["rebasing", "rebasing, landing"], ["checking", "checking"],
    ["limited", "limited by the API"], ["verifying", "verifying"], ["lost", "lost"],
  ];
  const phase = (state) => (PHASES.find(([name]) => name === state) || [state, state])[1];

  // Ids such as 2 and 10 by their number, others by their letters.
  const byId = (one, other) => numbered.compare(one, other);

  return { tone, said, badge, taskState, duration, clock, time, dollars, tokens, spent, costOf,
    compact, several, LEGEND, phase, byId, MARKS };
})();
