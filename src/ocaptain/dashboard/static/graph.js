"use strict";
// The plan as a graph: each task after those that it waits for; the longest chain left stands out.

const graph = (() => {
  const { h, s } = elements;
  const { state } = store;
  const WIDE = 168;
  const HIGH = 38;
  const LETTERS = 21;
  const WHOLE = 60;
  const READABLE = 0.45;
  const KINDS = [["completed", "done"], ["in_progress", "running"], ["failed", "failed"],
    ["ready", "ready"], ["blocked", "blocked"]];

  // In a large plan only the blocker that a task is deepest below takes part in the layout: with
  // all of them it would take minutes. The other lines are drawn all the same.
  const layout = (tasks) => {
    const made = new dagre.graphlib.Graph();
    const isWhole = tasks.length <= WHOLE;
    made.setGraph({ rankdir: "LR", nodesep: isWhole ? 14 : 8, ranksep: 46, marginx: 12,
      marginy: 12, ranker: isWhole ? "network-simplex" : "longest-path" });
    made.setDefaultEdgeLabel(() => ({}));
    for (const row of tasks) made.setNode(row.id, { width: WIDE, height: HIGH });
    const known = new Map(tasks.map((row) => [row.id, row]));
    const depths = depthsOf(known);
    for (const row of tasks) {
      let blockers = row.blockers.filter((id) => known.has(id) && id !== row.id);
      if (!isWhole) blockers = blockers.sort((one, other) => depths.get(other) - depths.get(one))
        .slice(0, 1);
      for (const id of blockers) made.setEdge(id, row.id);
    }
    dagre.layout(made, isWhole ? {} : { disableOptimalOrderHeuristic: true });
    return made;
  };

  // How many tasks lie before each; without recursion, and be there a circle.
  const depthsOf = (known) => {
    const depths = new Map();
    for (const start of known.keys()) {
      const stack = [start];
      const open = new Set();
      while (stack.length) {
        const id = stack[stack.length - 1];
        const blockers = known.get(id).blockers.filter((each) => known.has(each));
        const next = blockers.find((each) => !depths.has(each) && !open.has(each));
        open.add(id);
        if (!depths.has(id) && next !== undefined) {
          stack.push(next);
          continue;
        }
        depths.set(id, 1 + Math.max(0, ...blockers.map((each) => depths.get(each) || 0)));
        stack.pop();
      }
    }
    return depths;
  };

  const short = (text) => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);

  const mount = (root) => {
    const inner = s("g");
    const plot = s("svg.graph", { role: "application", tabindex: 0,
      "aria-label": "The plan as a graph. Arrow keys go from task to task, Enter opens one, plus "
        + "and minus zoom. The list of tasks has the same as text." },
    s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 8, refY: 4,
      markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse",
      orient: "auto" }, s("path.arrow", { d: "M0,0 L8,4 L0,8 z" }))),
    inner);
    const zoom = d3.zoom().scaleExtent([0.02, 2.5])
      .filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey || event.shiftKey
        : !event.button))
      .wheelDelta((event) => -(event.deltaY || event.deltaX) * 0.003)
      .on("zoom", (event) => {
        inner.setAttribute("transform", event.transform);
        plot.classList.toggle("far", event.transform.k < READABLE);
      });
    const told = h("p.sr", { role: "status" });
    const by = (factor) => d3.select(plot).call(zoom.scaleBy, factor);
    const chainText = h("p.muted");
    root.append(chainText, h("div.row.controls", { role: "group", "aria-label": "Zoom of the graph" },
      h("button.icon", { type: "button", click: () => by(1.5), "aria-label": "Zoom in" }, "+"),
      h("button.icon", { type: "button", click: () => by(1 / 1.5), "aria-label": "Zoom out" }, "−"),
      h("button", { type: "button", click: () => fit() }, "All"),
      h("button", { type: "button", click: () => toWork() }, "What is running")),
    h("div.graph-box", {}, plot), told,
    h("ul.legend", { "aria-label": "What the boxes mean" },
      KINDS.map(([kind, text]) => h("li", {}, words.badge(kind, text))),
      h("li", {}, s("svg", { width: 26, height: 10, "aria-hidden": "true" },
        s("path.edge.chain", { d: "M1,5 H25" })), "longest chain left")));

    let shape = "";
    let made = null;
    let chosen = null;
    const nodes = new Map();
    const edges = [];

    const signOf = () => state.picture.tasks.map((row) => [row.id, row.blockers]);

    const curve = (from, to) => {
      const x0 = from.x + WIDE / 2;
      const x1 = to.x - WIDE / 2 - 1;
      const bend = Math.max(18, (x1 - x0) / 2);
      return `M${x0},${from.y} C${x0 + bend},${from.y} ${x1 - bend},${to.y} ${x1},${to.y}`;
    };

    const build = () => {
      const { tasks } = state.picture;
      made = layout(tasks);
      nodes.clear();
      edges.length = 0;
      const lines = document.createDocumentFragment();
      const boxes = document.createDocumentFragment();
      for (const row of tasks) {
        const at = made.node(row.id);
        for (const id of row.blockers) {
          if (!made.hasNode(id)) continue;
          const path = s("path.edge", { d: curve(made.node(id), at), "marker-end": "url(#arrow)" });
          edges.push({ from: id, to: row.id, path });
          lines.append(path);
        }
        const mark = s("text.node-mark", { x: 10, y: 24 });
        const subject = s("text.node-text", { x: 26, y: 31 });
        const title = s("title");
        const group = s("g.node", { transform: `translate(${at.x - WIDE / 2},${at.y - HIGH / 2})`,
          click: () => { location.hash = overview.href(`tasks/${encodeURIComponent(row.id)}`); } },
        s("rect", { width: WIDE, height: HIGH, rx: 6 }), mark,
        s("text.node-id", { x: 26, y: 16 }, short(row.id)), subject, title);
        nodes.set(row.id, { group, mark, subject, title });
        boxes.append(group);
      }
      inner.replaceChildren(lines, boxes);
    };

    const paint = () => {
      const { tasks, chain } = state.picture;
      const inChain = new Set(chain);
      const links = new Set(chain.slice(1).map((id, index) => `${chain[index]} ${id}`));
      for (const row of tasks) {
        const node = nodes.get(row.id);
        const kind = words.taskState(row);
        const sign = `${kind} ${inChain.has(row.id)} ${chosen === row.id} ${row.subject}`;
        if (node.sign === sign) continue;
        node.sign = sign;
        node.group.setAttribute("class", `node ${kind} ${words.tone(kind)}`
          + `${inChain.has(row.id) ? " chain" : ""}${chosen === row.id ? " chosen" : ""}`);
        node.mark.textContent = words.MARKS[kind];
        node.subject.textContent = short(row.subject);
        node.title.textContent = `${row.id}: ${row.subject.slice(0, 300)} (${words.said(kind)})`;
      }
      for (const edge of edges) {
        const isLink = links.has(`${edge.from} ${edge.to}`);
        edge.path.setAttribute("class", isLink ? "edge chain" : "edge");
      }
      chainText.textContent = chain.length
        ? `The longest chain that is left has ${words.several(chain.length, "task")}: `
          + `${chain.slice(0, 12).join(" → ")}${chain.length > 12 ? " → …" : ""}`
        : "No task is left.";
    };

    const size = () => [plot.clientWidth || 300, plot.clientHeight || 300];

    const fit = () => {
      const { width, height } = made.graph();
      const [wide, high] = size();
      const scale = Math.min(1.1, wide / (width + 20), high / (height + 20));
      d3.select(plot).call(zoom.transform, d3.zoomIdentity
        .translate((wide - width * scale) / 2, (high - height * scale) / 2).scale(scale));
    };

    // A large plan as a whole cannot be read: begin with what is running.
    const toWork = () => {
      const { tasks, chain } = state.picture;
      const at = tasks.find((row) => row.status === "in_progress") || store.task(chain[0])
        || tasks.find((row) => row.status === "failed") || tasks[0];
      if (at) center(at.id, 0.9);
    };
    const center = (id, scale) => {
      const node = made.node(id);
      const [wide, high] = size();
      const factor = scale || d3.zoomTransform(plot).k;
      d3.select(plot).call(zoom.transform, d3.zoomIdentity.translate(wide / 2, high / 2)
        .scale(factor).translate(-node.x, -node.y));
    };

    const nearest = (from, key) => {
      const at = made.node(from);
      const horizontal = key === "ArrowLeft" || key === "ArrowRight";
      const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
      let best = null;
      let least = Infinity;
      for (const id of made.nodes()) {
        const to = made.node(id);
        const along = sign * (horizontal ? to.x - at.x : to.y - at.y);
        const across = Math.abs(horizontal ? to.y - at.y : to.x - at.x);
        if (along < 1 || along + across * 2 >= least) continue;
        best = id;
        least = along + across * 2;
      }
      return best;
    };

    const choose = (id) => {
      chosen = id;
      paint();
      const row = store.task(id);
      const waits = row.blocked_by.length ? `; it waits for ${row.blocked_by.join(", ")}` : "";
      told.textContent = `${id}: ${row.subject.slice(0, 200)}, ${words.taskState(row)}${waits}`;
      center(id);
    };

    plot.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") by(1.5);
      else if (event.key === "-") by(1 / 1.5);
      else if (event.key === "0") fit();
      else if (event.key === "Enter" && chosen) {
        location.hash = overview.href(`tasks/${encodeURIComponent(chosen)}`);
      } else if (event.key.startsWith("Arrow") && made.nodeCount()) {
        const id = chosen === null ? state.picture.tasks[0].id : nearest(chosen, event.key);
        if (id) choose(id);
      } else return;
      event.preventDefault();
    });
    d3.select(plot).call(zoom).on("dblclick.zoom", null);

    const update = () => {
      const sign = JSON.stringify(signOf());
      if (sign !== shape) {
        const isFirst = !shape;
        shape = sign;
        build();
        if (isFirst) fit();
        if (isFirst && d3.zoomTransform(plot).k < READABLE) toWork();
      }
      paint();
    };
    if (!state.picture.tasks.length) {
      root.replaceChildren(h("p.muted", {}, "There is no task yet."));
      return { update: () => {}, leave: () => {} };
    }
    update();
    return { update, leave: () => {} };
  };

  return { mount };
})();
