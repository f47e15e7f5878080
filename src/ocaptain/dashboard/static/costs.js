"use strict";
// What the voyage has cost over time, against its budget.

const costs = (() => {
  const { h, s } = elements;
  const { state } = store;
  const HEIGHT = 170;
  const EDGE = { top: 14, right: 14, bottom: 24, left: 52 };

  const mount = (root) => {
    const plot = s("svg.costs", { height: HEIGHT, role: "img" });
    const box = h("div.costs-box", {}, plot);
    const text = h("p.muted");
    root.append(text, box);
    let width = 0;
    let ends = 0;   // where the axis of time ends: it gets longer by jumps
    let shown = "";

    const line = (points, x, y) => d3.line((point) => x(point[0] * 1000), (point) => y(point[1]))
      .curve(d3.curveStepAfter)(points);

    const say = () => {
      const { status, record } = state.picture;
      const budget = record.budget_usd;
      const spent = status.cost_usd;
      const share = budget ? `, ${Math.round(100 * spent / budget)} % of the budget of `
        + `${words.dollars(budget)}` : "";
      const used = words.tokens([status.usage]);
      const none = used ? `${words.compact(used)} tokens; the agents tell no dollars.`
        : "Nothing has been spent.";
      text.textContent = spent
        ? `${words.dollars(spent)}${share}${budget ? "" : "; there is no budget"}.` : none;
    };

    const draw = () => {
      const { costs: known, status, record } = state.picture;
      const budget = record.budget_usd;
      const spent = status.cost_usd;
      say();
      box.hidden = !spent;
      if (!spent || !width) return;
      const end = store.end();
      const took = Math.max(end - status.created, 10);
      if (store.isOver()) ends = status.created + took;
      else if (end > ends) ends = status.created + took * 1.06;
      const x = d3.scaleTime().domain([status.created * 1000, ends * 1000])
        .range([EDGE.left, width - EDGE.right]);
      const sign = JSON.stringify([known.length, spent, budget, width, ends,
        Math.round(x(end * 1000))]);
      if (sign === shown) return;
      shown = sign;
      const points = [[status.created, 0], ...known, [end, spent]];
      const most = Math.max(spent, budget && budget < spent * 4 ? budget : 0, 0.01);
      const y = d3.scaleLinear().domain([0, most * 1.08]).range([HEIGHT - EDGE.bottom, EDGE.top]);
      const bottom = s("g.axis-x", { transform: `translate(0,${HEIGHT - EDGE.bottom})` });
      const side = s("g.axis-y", { transform: `translate(${EDGE.left},0)` });
      d3.select(bottom).call(d3.axisBottom(x).ticks(Math.max(2, width / 110)).tickSizeOuter(0)
        .tickFormat(d3.timeFormat("%H:%M")));
      d3.select(side).call(d3.axisLeft(y).ticks(4).tickSizeOuter(0)
        .tickFormat((amount) => words.dollars(amount)));
      const path = line(points, x, y);
      const parts = [bottom, side, s("path.cost-area",
        { d: `${path}V${y(0)}H${x(points[0][0] * 1000)}Z` }), s("path.cost-line", { d: path })];
      if (budget && budget <= most * 1.08) {
        parts.push(s("line.budget", { x1: EDGE.left, x2: width - EDGE.right, y1: y(budget),
          y2: y(budget) }), s("text.budget-text", { x: width - EDGE.right, y: y(budget) - 4,
          "text-anchor": "end" }, `budget ${words.dollars(budget)}`));
      }
      plot.setAttribute("width", width);
      plot.setAttribute("aria-label", `Cost over time: ${text.textContent}`);
      plot.replaceChildren(...parts);
    };

    // It is told of the width it begins with, too, when that costs least to find out.
    const resized = new ResizeObserver(([entry]) => {
      width = Math.max(260, Math.round(entry.contentRect.width));
      draw();
    });
    resized.observe(root);
    draw();
    return { update: draw, leave: () => resized.disconnect() };
  };

  return { mount };
})();
