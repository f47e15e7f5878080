"use strict";
// Lanes: a line for each ship on a time axis, with what its claims were at, and when.

const lanes = (() => {
  const { h, s } = elements;
  const { state } = store;
  const ROW = 26;
  const BAR = 18;
  const AXIS = 24;
  const NARROW = 560;
  const LETTER = 6.6;

  const swatch = (name) => s("svg.swatch", { width: 22, height: 12, "aria-hidden": "true" },
    s(`rect.phase.${name}`, { x: 0.5, y: 0.5, width: 21, height: 11, rx: 2 }),
    pattern(name, 0.5, 0.5, 21, 11));

  // What tells phases apart without colour. The patterns are in the page once, see `patterns`.
  const HATCHES = { checking: "slant", verifying: "cross", limited: "upright", waiting: "dots",
    green: "dots", lost: "cross", landing: "level", rebasing: "level" };
  const pattern = (name, x, y, width, height) => (HATCHES[name]
    ? s("rect.hatch", { x, y, width, height, fill: `url(#hatch-${HATCHES[name]})` })
    : null);
  const patterns = () => {
    const one = (name, size, ...parts) => s("pattern", { id: `hatch-${name}`, width: size,
      height: size, patternUnits: "userSpaceOnUse" }, ...parts);
    const line = (d) => s("path.ink", { d });
    return s("svg.hidden", { width: 0, height: 0, "aria-hidden": "true" }, s("defs", {},
      one("slant", 6, line("M-1,7 L7,-1 M-1,1 L1,-1 M5,7 L7,5")),
      one("cross", 6, line("M0,0 L6,6 M6,0 L0,6")),
      one("upright", 5, line("M2,0 L2,5")),
      one("level", 4, line("M0,2 L4,2")),
      one("dots", 5, s("circle.dot", { cx: 2.5, cy: 2.5, r: 0.9 }))));
  };

  const shipOrder = (one, other) => words.byId(one, other);

  // Every ship that there is or was, with its claims.
  const rows = () => {
    const { status, claims } = state.picture;
    const found = new Map(status.ships.map((ship) => [ship.id, { ship, claims: [] }]));
    for (const claim of claims) {
      if (!found.has(claim.ship)) found.set(claim.ship, { ship: null, claims: [] });
      found.get(claim.ship).claims.push(claim);
    }
    return [...found].sort(([one], [other]) => shipOrder(one, other))
      .map(([id, row]) => ({ id, ...row }));
  };

  const about = (claim, phase, now) => {
    const task = claim.task && store.task(claim.task);
    const what = claim.task ? `Task ${claim.task}: ${task ? task.subject : ""}` : "Verification";
    const until = phase.until === null ? now : phase.until;
    const state_ = claim.state === "live" ? "goes on" : claim.state;
    return [what, `${words.phase(phase.state)} for ${words.duration(until - phase.from)}, `
      + `from ${words.clock(phase.from)}`, `${claim.ship}, attempt ${state_}`
      + (claim.why ? `: ${claim.why.slice(0, 300)}` : "")];
  };

  const href = (claim) => (claim.task
    ? `#/${encodeURIComponent(state.picture.voyage)}/tasks/${encodeURIComponent(claim.task)}`
    : null);

  const phasesOf = (claim) => (claim.phases.length ? claim.phases
    : [{ state: claim.task ? "working" : "verifying", from: claim.claimed_at,
      until: claim.ended_at }]);

  const mount = (root) => {
    const axis = s("svg.axis", { height: AXIS, "aria-hidden": "true" });
    const plot = s("svg.lanes", { role: "application", tabindex: 0,
      "aria-label": "Lanes of the ships. Arrow keys go from attempt to attempt, Enter opens the "
        + "task, plus and minus zoom." });
    const scroll = h("div.lanes-scroll", {}, plot);
    const tip = h("div.tip", { hidden: true });
    const told = h("p.sr", { role: "status" });
    const zoomBy = (factor) => () => d3.select(plot).call(zoom.scaleBy, factor);
    const controls = h("div.row.controls", { role: "group", "aria-label": "Zoom of the lanes" },
      h("button.icon", { type: "button", click: zoomBy(1.6), "aria-label": "Zoom in" }, "+"),
      h("button.icon", { type: "button", click: zoomBy(1 / 1.6), "aria-label": "Zoom out" }, "−"),
      h("button", { type: "button", click: () => lastHour() }, "Last hour"),
      h("button", { type: "button",
        click: () => d3.select(plot).call(zoom.transform, d3.zoomIdentity) }, "All"));
    const legend = h("ul.legend", { "aria-label": "What the bars mean" },
      words.LEGEND.map(([name, text]) => h("li", {}, swatch(name), text)));
    const box = h("div.lanes-box", {}, axis, scroll, tip);
    root.append(patterns(), controls, box, told, legend);

    let transform = d3.zoomIdentity;
    let blocks = [];       // what can be pointed at, and chosen by key
    let chosen = null;     // number of the claim that the keyboard is at
    let width = 0;
    let base = null;

    const zoom = d3.zoom().scaleExtent([1, 2000])
      .filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey || event.shiftKey
        : !event.button))
      .wheelDelta((event) => -(event.deltaY || event.deltaX) * 0.003)
      .on("zoom", (event) => {
        transform = event.transform;
        draw();
      });

    const label = () => (width < NARROW ? 70 : 104);

    const lastHour = () => {
      const now = store.now();
      const [from, to] = base.domain().map((date) => date.getTime() / 1000);
      const begin = Math.max(from, now - 3600);
      const factor = (to - from) / Math.max(1, to - begin);
      const shift = -base(new Date(begin * 1000)) + label() / factor;
      d3.select(plot).call(zoom.transform,
        d3.zoomIdentity.scale(factor).translate(shift, 0));
    };

    const domain = (all) => {
      const { status } = state.picture;
      const now = store.now();
      const first = d3.min(all, (row) => d3.min(row.claims, (claim) => claim.claimed_at));
      const from = first === undefined ? status.created : first;
      const last = store.isOver() ? status.ended_at || now : now;
      const to = Math.max(last, from + 10);
      return [from, to + (to - from) * 0.02];
    };

    const draw = () => {
      const all = rows();
      width = Math.max(280, box.clientWidth);
      const left = label();
      const height = Math.max(ROW, all.length * ROW);
      const now = store.now();
      base = d3.scaleTime().domain(domain(all).map((time) => time * 1000)).range([left, width - 10]);
      zoom.extent([[left, 0], [width - 10, height]])
        .translateExtent([[left, -Infinity], [width - 10, Infinity]]);
      const x = transform.rescaleX(base);
      axis.setAttribute("width", width);
      d3.select(axis).selectAll("g").data([0]).join("g")
        .attr("transform", `translate(0,${AXIS - 2})`)
        .call(d3.axisTop(x).ticks(Math.max(2, (width - left) / 150)).tickSizeOuter(0)
          .tickFormat(d3.timeFormat(spanOf(x) > 172800000 ? "%b %d %H:%M"
            : spanOf(x) > 600000 ? "%H:%M" : "%H:%M:%S")));
      plot.setAttribute("width", width);
      plot.setAttribute("height", height);
      const parts = document.createDocumentFragment();
      blocks = [];
      all.forEach((row, index) => drawRow(parts, row, index * ROW, x, left, now));
      const at = x(new Date(now * 1000));
      if (at >= left && at <= width && !store.isOver()) {
        parts.append(s("line.now", { x1: at, x2: at, y1: 0, y2: height }));
      }
      plot.replaceChildren(parts);
      plot.classList.toggle("stale", Boolean(state.picture.fault || state.isAway));
      mark();
    };

    const spanOf = (x) => x.domain()[1] - x.domain()[0];

    const drawRow = (parts, row, top, x, left, now) => {
      const middle = top + ROW / 2;
      const bars = top + (ROW - BAR) / 2;
      parts.append(s("line.rule", { x1: left, x2: width, y1: top + ROW, y2: top + ROW }));
      for (const claim of row.claims) {
        let from = null;
        let to = null;
        for (const phase of phasesOf(claim)) {
          const until = phase.until === null ? Math.max(now, phase.from) : phase.until;
          const begin = Math.max(left, x(new Date(phase.from * 1000)));
          const end = Math.min(width, x(new Date(until * 1000)));
          if (end <= left || begin >= width) continue;
          const wide = Math.max(1, end - begin);
          from = from === null ? begin : from;
          to = begin + wide;
          parts.append(s(`rect.phase.${phase.state}`, { x: begin, y: bars, width: wide,
            height: BAR, rx: wide > 6 ? 2 : 0 }));
          const hatch = wide > 3 && pattern(phase.state, begin, bars, wide, BAR);
          if (hatch) parts.append(hatch);
          blocks.push({ claim, phase, x0: begin, x1: begin + wide, top });
        }
        if (from !== null) drawClaim(parts, claim, from, to, bars, middle);
      }
      const name = row.ship ? words.MARKS[row.ship.state] || "·" : "–";
      const tone = row.ship ? words.tone(row.ship.state) : "quiet";
      parts.append(s("rect.ground", { x: 0, y: top, width: left - 4, height: ROW - 1 }),
        s(`text.lane-mark.${tone}`, { x: 8, y: middle + 4, "text-anchor": "middle" }, name),
        s("text.lane-name", { x: 20, y: middle + 4 }, row.id.slice(0, 14),
          s("title", {}, row.ship ? `${row.id}: ${words.said(row.ship.state)}`
            : `${row.id} is gone`)));
    };

    const drawClaim = (parts, claim, from, to, bars, middle) => {
      const text = claim.task || "verify.sh";
      if (to - from > text.length * LETTER + 8) {
        const wide = text.length * LETTER + 6;
        parts.append(s("rect.plate", { x: from + 2, y: bars + 2, width: wide, height: BAR - 4,
          rx: 2 }), s("text.claim", { x: from + 5, y: middle + 4 }, text));
      }
      const isLost = ["released", "expired", "abandoned"].includes(claim.state);
      if (isLost && to - from > 8) {
        parts.append(s("text.ended", { x: to - 7, y: middle + 4, "text-anchor": "middle" },
          words.MARKS[claim.state]));
      }
      parts.append(s("line.seam", { x1: to, x2: to, y1: bars, y2: bars + BAR }));
    };

    const mark = () => {
      const own = blocks.filter((block) => block.claim.number === chosen);
      if (!own.length || document.activeElement !== plot) return;
      plot.append(s("rect.chosen", { x: own[0].x0 - 1, y: own[0].top + 2, rx: 3,
        width: own[own.length - 1].x1 - own[0].x0 + 2, height: ROW - 4 }));
    };

    const blockAt = (event) => {
      const [x, y] = d3.pointer(event, plot);
      return blocks.find((block) => x >= block.x0 - 1 && x <= block.x1 + 1 && y >= block.top
        && y < block.top + ROW);
    };

    const hint = (block, x, y) => {
      const [title, ...lines] = about(block.claim, block.phase, store.now());
      tip.replaceChildren(h("strong", {}, title), ...lines.map((line) => h("span", {}, line)));
      tip.hidden = false;
      const limit = box.clientWidth - tip.offsetWidth - 4;
      tip.style.left = `${Math.max(4, Math.min(x + 12, limit))}px`;
      tip.style.top = `${y + AXIS + 22}px`;
    };

    plot.addEventListener("pointermove", (event) => {
      const block = blockAt(event);
      plot.classList.toggle("pointed", Boolean(block && block.claim.task));
      if (!block) {
        tip.hidden = true;
        return;
      }
      hint(block, block.x0 > event.offsetX ? block.x0 : event.offsetX,
        block.top - scroll.scrollTop);
    });
    plot.addEventListener("pointerleave", () => { tip.hidden = true; });
    plot.addEventListener("click", (event) => {
      const block = blockAt(event);
      if (block && href(block.claim)) location.hash = href(block.claim);
    });

    // The first claim of the lane above or below that ends after this one has begun.
    const beside = (claim, step) => {
      const all = rows().filter((row) => row.claims.length);
      const at = all.findIndex((row) => row.id === claim.ship);
      const row = all[at + step];
      if (!row) return claim;
      return row.claims.find((each) => (each.ended_at || Infinity) > claim.claimed_at)
        || row.claims[row.claims.length - 1];
    };
    const choose = (claim) => {
      chosen = claim.number;
      draw();
      const own = blocks.filter((block) => block.claim.number === chosen);
      const phases = phasesOf(claim);
      told.textContent = about(claim, phases[phases.length - 1], store.now()).join(". ");
      if (own.length) {
        if (own[0].top < scroll.scrollTop || own[0].top + ROW > scroll.scrollTop
          + scroll.clientHeight) scroll.scrollTop = own[0].top - ROW;
        hint({ ...own[0], phase: phases[phases.length - 1] }, own[0].x0,
          own[0].top - scroll.scrollTop);
      } else {
        tip.hidden = true;
      }
    };
    const claimAfterKey = (key) => {
      const claims = rows().flatMap((row) => row.claims);
      const at = claims.findIndex((claim) => claim.number === chosen);
      if (at < 0) return claims[0];
      if (key === "ArrowRight") return claims[Math.min(at + 1, claims.length - 1)];
      if (key === "ArrowLeft") return claims[Math.max(at - 1, 0)];
      return beside(claims[at], key === "ArrowDown" ? 1 : -1);
    };
    plot.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") zoomBy(1.6)();
      else if (event.key === "-") zoomBy(1 / 1.6)();
      else if (event.key === "0") d3.select(plot).call(zoom.transform, d3.zoomIdentity);
      else if (event.key === "Escape") tip.hidden = true;
      else if (event.key.startsWith("Arrow")) {
        const claim = claimAfterKey(event.key);
        if (claim) choose(claim);
      } else if (event.key === "Enter") {
        const claim = state.picture.claims.find((each) => each.number === chosen);
        if (claim && href(claim)) location.hash = href(claim);
      } else return;
      event.preventDefault();
    });
    plot.addEventListener("blur", () => {
      tip.hidden = true;
      draw();
    });

    d3.select(plot).call(zoom).on("dblclick.zoom", null);
    const resized = new ResizeObserver(() => { if (box.clientWidth !== width) draw(); });
    resized.observe(box);
    draw();
    return { update: draw, leave: () => resized.disconnect() };
  };

  return { mount };
})();
