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
  const SPARE = 0.06;  // how much of the axis is left free for what comes

  // Every ship that there is or was, with its claims.
  const rows = () => {
    const { status, claims } = state.picture;
    const found = new Map(status.ships.map((ship) => [ship.id, { ship, claims: [] }]));
    for (const claim of claims) {
      if (!found.has(claim.ship)) found.set(claim.ship, { ship: null, claims: [] });
      found.get(claim.ship).claims.push(claim);
    }
    return [...found].sort(([one], [other]) => words.byId(one, other))
      .map(([id, row]) => ({ id, ...row }));
  };

  const isSame = (one, other) => one.id === other.id
    && (one.ship ? one.ship.state : null) === (other.ship ? other.ship.state : null)
    && one.claims.length === other.claims.length
    && one.claims.every((claim, index) => claim === other.claims[index]);

  const mount = (root) => {
    const axis = s("svg.axis", { height: AXIS, "aria-hidden": "true" });
    const ground = s("g");
    const nowLine = s("line.now", { y1: 0 });
    const plot = s("svg.lanes", { role: "application", tabindex: 0,
      "aria-label": "Lanes of the ships. Arrow keys go from attempt to attempt, Enter opens the "
        + "task, plus and minus zoom." }, ground, nowLine);
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
    const box = h("div.lanes-box", {}, axis, scroll, tip);
    root.append(phases.patterns(), controls, box, told, phases.legend());

    let transform = d3.zoomIdentity;
    let lines = [];        // each row as it is drawn, and what can be pointed at in it
    let chosen = null;     // number of the claim that the keyboard is at
    let width = Math.max(280, box.clientWidth);
    let span = null;       // from when until when the axis is, in UNIX time
    let base = null;       // scales of time: of all, and of the part that is shown
    let x = null;
    let frame = "";        // what everything depends on where it is
    let rest = 0;          // the coming frame after which lanes out of sight are filled

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
      const [from, to] = span;
      const begin = Math.max(from, now - 3600);
      const factor = (to - from) / Math.max(1, to - begin);
      const shift = -base(new Date(begin * 1000)) + label() / factor;
      d3.select(plot).call(zoom.transform,
        d3.zoomIdentity.scale(factor).translate(shift, 0));
    };

    // The axis gets longer by jumps: in between nothing has to move but what goes on.
    const domain = () => {
      const { status, claims } = state.picture;
      const first = d3.min(claims, (claim) => claim.claimed_at);
      const from = first === undefined ? status.created : first;
      if (store.isOver()) {
        const end = Math.max(store.end(), from + 10);
        return [from, end + (end - from) * 0.02];
      }
      const last = Math.max(store.now(), from + 10);
      const stays = span && span[0] === from && span[1] >= last;
      return stays ? span : [from, last + (last - from) * SPARE];
    };

    const draw = () => {
      const all = rows();
      const height = Math.max(ROW, all.length * ROW);
      span = domain();
      const sign = JSON.stringify([span, width, height, transform]);
      const isAnew = sign !== frame || all.length !== lines.length
        || all.some((row, index) => row.id !== lines[index].row.id);
      frame = sign;
      if (isAnew) setUp(height);
      const parts = all.map((row, index) => (!isAnew && isSame(row, lines[index].row)
        && lines[index].isWhole && grow(lines[index]) ? lines[index]
        : lineOf(row, index * ROW, { isWhole: !isAnew || isInSight(index) })));
      parts.forEach((line, index) => {
        if (!isAnew && line !== lines[index]) lines[index].group.replaceWith(line.group);
      });
      lines = parts;
      if (isAnew) ground.replaceChildren(...lines.map((line) => line.group));
      const at = x(new Date(store.now() * 1000));
      nowLine.setAttribute("x1", at);
      nowLine.setAttribute("x2", at);
      const isOut = store.isOver() || at < label() || at > width;
      nowLine.setAttribute("visibility", isOut ? "hidden" : "visible");
      plot.classList.toggle("stale", Boolean(state.picture.fault || state.isAway));
      mark();
      cancelAnimationFrame(rest);
      if (lines.some((line) => !line.isWhole)) {
        rest = requestAnimationFrame(() => setTimeout(draw));  // once this is on the screen
      }
    };

    const isInSight = (index) => index * ROW < scroll.scrollTop + window.innerHeight
      && (index + 1) * ROW > scroll.scrollTop;

    // Scales and axis, if these have changed.
    const setUp = (height) => {
      const left = label();
      base = d3.scaleTime().domain(span.map((time) => time * 1000)).range([left, width - 10]);
      zoom.extent([[left, 0], [width - 10, height]])
        .translateExtent([[left, -Infinity], [width - 10, Infinity]]);
      x = transform.rescaleX(base);
      const shown = x.domain()[1] - x.domain()[0];
      axis.setAttribute("width", width);
      d3.select(axis).selectAll("g").data([0]).join("g")
        .attr("transform", `translate(0,${AXIS - 2})`)
        .call(d3.axisTop(x).ticks(Math.max(2, (width - left) / 150)).tickSizeOuter(0)
          .tickFormat(d3.timeFormat(shown > 172800000 ? "%b %d %H:%M"
            : shown > 600000 ? "%H:%M" : "%H:%M:%S")));
      plot.setAttribute("width", width);
      plot.setAttribute("height", height);
      nowLine.setAttribute("y2", height);
    };

    // A lane as it is drawn; if it is not to be whole, without its claims.
    const lineOf = (row, top, { isWhole }) => {
      const left = label();
      const now = store.now();
      const middle = top + ROW / 2;
      const bars = top + (ROW - BAR) / 2;
      const parts = [s("line.rule", { x1: left, x2: width, y1: top + ROW, y2: top + ROW })];
      const blocks = [];
      for (const claim of isWhole ? row.claims : []) {
        const own = [];
        for (const phase of phases.of(claim)) {
          const until = phase.until === null ? Math.max(now, phase.from) : phase.until;
          const begin = Math.max(left, x(new Date(phase.from * 1000)));
          const end = Math.min(width, x(new Date(until * 1000)));
          if (end <= left || begin >= width) continue;
          const wide = Math.max(1, end - begin);
          const bar = phases.bar(phase.state, { x: begin, y: bars, width: wide, height: BAR,
            rx: wide > 6 ? 2 : 0 });
          own.push({ claim, phase, bar, x0: begin, x1: begin + wide, top });
          parts.push(bar);
        }
        if (own.length) drawClaim(parts, claim, own, bars, middle);
        blocks.push(...own);
      }
      const name = row.ship ? words.MARKS[row.ship.state] || "·" : "–";
      const tone = row.ship ? words.tone(row.ship.state) : "quiet";
      parts.push(s("rect.ground", { x: 0, y: top, width: left - 4, height: ROW - 1 }),
        s(`text.lane-mark.${tone}`, { x: 8, y: middle + 4, "text-anchor": "middle" }, name),
        s("text.lane-name", { x: 20, y: middle + 4 }, row.id.slice(0, 14),
          s("title", {}, row.ship ? `${row.id}: ${words.said(row.ship.state)}`
            : `${row.id} is gone`)));
      return { row, blocks, isWhole, group: s("g", {}, parts) };
    };

    const textOf = (claim) => claim.task || "verify.sh";
    const fits = (text, wide) => wide > text.length * LETTER + 8;

    const drawClaim = (parts, claim, own, bars, middle) => {
      const text = textOf(claim);
      const from = own[0].x0;
      const to = own[own.length - 1].x1;
      own[0].isNamed = fits(text, to - from);
      if (own[0].isNamed) {
        const wide = text.length * LETTER + 6;
        parts.push(s("rect.plate", { x: from + 2, y: bars + 2, width: wide, height: BAR - 4,
          rx: 2 }), s("text.claim", { x: from + 5, y: middle + 4 }, text));
      }
      const isLost = ["released", "expired", "abandoned"].includes(claim.state);
      if (isLost && to - from > 8) {
        parts.push(s("text.ended", { x: to - 7, y: middle + 4, "text-anchor": "middle" },
          words.MARKS[claim.state]));
      }
      if (claim.state !== "live") {
        parts.push(s("line.seam", { x1: to, x2: to, y1: bars, y2: bars + BAR }));
      }
    };

    // Has the bars that go on reach until now. Returns whether no more than that has changed.
    const grow = (line) => {
      const end = Math.min(width, x(new Date(store.now() * 1000)));
      for (const block of line.blocks) {
        if (block.phase.until !== null || end - block.x1 < 0.5) continue;
        block.x1 = end;
        block.bar.setAttribute("width", end - block.x0);
        const first = line.blocks.find((each) => each.claim === block.claim);
        if (!first.isNamed && fits(textOf(block.claim), end - first.x0)) return false;
      }
      return true;
    };

    const blocksOf = (number) => lines.flatMap((line) => line.blocks)
      .filter((block) => block.claim.number === number);

    const mark = () => {
      for (const old of plot.querySelectorAll(".chosen")) old.remove();
      const own = document.activeElement === plot ? blocksOf(chosen) : [];
      if (!own.length) return;
      plot.append(s("rect.chosen", { x: own[0].x0 - 1, y: own[0].top + 2, rx: 3,
        width: own[own.length - 1].x1 - own[0].x0 + 2, height: ROW - 4 }));
    };

    const blockAt = (event) => {
      const [across, down] = d3.pointer(event, plot);
      const line = lines[Math.floor(down / ROW)];
      return line && line.blocks.find((block) => across >= block.x0 - 1 && across <= block.x1 + 1);
    };

    const hint = (block, across, down) => {
      const [title, ...said] = phases.about(block.claim, block.phase, store.now());
      tip.replaceChildren(h("strong", {}, title), ...said.map((line) => h("span", {}, line)));
      tip.hidden = false;
      const limit = box.clientWidth - tip.offsetWidth - 4;
      tip.style.left = `${Math.max(4, Math.min(across + 12, limit))}px`;
      tip.style.top = `${down + AXIS + 22}px`;
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
      const href = block && phases.href(block.claim);
      if (href) location.hash = href;
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
      const own = blocksOf(chosen);
      const last = phases.of(claim).at(-1);
      told.textContent = phases.about(claim, last, store.now()).join(". ");
      if (own.length) {
        if (own[0].top < scroll.scrollTop || own[0].top + ROW > scroll.scrollTop
          + scroll.clientHeight) scroll.scrollTop = own[0].top - ROW;
        hint({ ...own[0], phase: last }, own[0].x0, own[0].top - scroll.scrollTop);
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
        if (claim && phases.href(claim)) location.hash = phases.href(claim);
      } else return;
      event.preventDefault();
    });
    plot.addEventListener("blur", () => {
      tip.hidden = true;
      mark();
    });

    d3.select(plot).call(zoom).on("dblclick.zoom", null);
    const resized = new ResizeObserver(([entry]) => {
      const wide = Math.max(280, Math.round(entry.contentRect.width));
      if (wide === width) return;
      width = wide;
      draw();
    });
    resized.observe(box);
    draw();
    const leave = () => {
      resized.disconnect();
      cancelAnimationFrame(rest);
    };
    return { update: draw, leave };
  };

  return { mount };
})();
