"use strict";
// What claims were at, as bars: how each phase looks, and what is said of it.

const phases = (() => {
  const { h, s } = elements;
  const { state } = store;

  // What tells phases apart without colour. The patterns are in the page once, see `patterns`.
  const HATCHES = { checking: "slant", reviewing: "level", verifying: "cross",
    limited: "upright", waiting: "dots", green: "dots", lost: "cross", landing: "level",
    rebasing: "level" };
  const line = (d) => s("path.ink", { d });
  const INKS = {
    slant: [6, () => line("M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5")],
    cross: [6, () => line("M0,0 L6,6 M6,0 L0,6")],
    upright: [5, () => line("M2,0 L2,5")],
    level: [4, () => line("M0,2 L4,2")],
    dots: [5, () => s("circle.dot", { cx: 2.5, cy: 2.5, r: 0.9 })],
  };

  const patterns = () => s("svg.hidden", { width: 0, height: 0, "aria-hidden": "true" },
    s("defs", {}, Object.entries(HATCHES).map(([name, hatch]) => {
      const [size, ink] = INKS[hatch];
      return s("pattern", { id: `phase-${name}`, width: size, height: size,
        patternUnits: "userSpaceOnUse" },
      s(`rect.tile.${name}`, { width: size, height: size }), ink());
    })));

  const bar = (name, place) => s(`rect.phase.${name}`, { ...place,
    fill: HATCHES[name] ? `url(#phase-${name})` : null });

  const swatch = (name) => s("svg.swatch", { width: 22, height: 12, "aria-hidden": "true" },
    bar(name, { x: 0.5, y: 0.5, width: 21, height: 11, rx: 2 }));

  const legend = () => h("ul.legend", { "aria-label": "What the bars mean" },
    words.LEGEND.map(([name, text]) => h("li", {}, swatch(name), text)));

  const of = (claim) => (claim.phases.length ? claim.phases
    : [{ state: claim.task ? "working" : "verifying", from: claim.claimed_at,
      until: claim.ended_at }]);

  const about = (claim, phase, now) => {
    const task = claim.task && store.task(claim.task);
    const what = claim.task ? `Task ${claim.task}: ${task ? task.subject : ""}` : "Verification";
    const until = phase.until === null ? now : phase.until;
    const end = claim.state === "live" ? "goes on" : claim.state;
    return [what, `${words.phase(phase.state)} for ${words.duration(until - phase.from)}, `
      + `from ${words.clock(phase.from)}`, `${claim.ship}, attempt ${end}`
      + (claim.why ? `: ${claim.why.slice(0, 300)}` : "")];
  };

  const href = (claim) => (claim.task
    ? `#/${encodeURIComponent(state.picture.voyage)}/tasks/${encodeURIComponent(claim.task)}`
    : null);

  return { patterns, bar, legend, of, about, href };
})();
