"use strict";
// Lanes: what each ship did when, on a time axis that can be zoomed and moved.
window.ocaptainLanes = (() => {
  const ROW = 30;
  const TOP = 24;
  const LEFT = 84;
  const WORDS = {
    working: "working", limited: "limited by the API", waiting: "waiting for a place",
    rebasing: "rebasing", checking: "checking", green: "checked, waiting for others",
    landing: "landing", verifying: "verifying", lost: "lost",
  };
  let zoomed = null; // the reader's, which news of the voyage leave alone

  const spans = (picture) => {
    const made = [];
    for (const claim of picture.claims) {
      for (const phase of claim.phases) {
        made.push({ claim, phase, from: phase.from, until: phase.until ?? picture.now });
      }
    }
    return made;
  };

  const told = ({ claim, phase, from, until }) => {
    const what = claim.task === null ? "the verification" : `task ${claim.task}`;
    return `${claim.ship}, ${what}: ${WORDS[phase.state] || phase.state}, ${Math.round(until - from)} s`;
  };

  const legend = () => {
    const list = d3.create("ul").attr("class", "legend");
    for (const [state, words] of Object.entries(WORDS)) {
      const item = list.append("li");
      const swatch = item.append("svg").attr("width", 12).attr("height", 12).attr("aria-hidden", "true");
      swatch.append("rect").attr("width", 12).attr("height", 12).attr("class", `phase ${state}`);
      item.append("span").text(words);
    }
    return list.node();
  };

  // Returns an element with the lanes; `choose` is called with the task that is clicked.
  const draw = (picture, width, choose) => {
    const all = spans(picture);
    const ships = [...new Set([...picture.status.ships.map((ship) => ship.id), ...all.map((s) => s.claim.ship)])];
    ships.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const height = TOP + ships.length * ROW;
    const first = d3.min(all, (span) => span.from) ?? picture.now - 60;
    const last = Math.max(first + 1, d3.max(all, (span) => span.until) ?? picture.now);
    const time = d3.scaleTime([first * 1000, last * 1000], [LEFT, width - 8]);
    const lane = d3.scaleBand(ships, [TOP, height]).padding(0.2);

    const figure = d3.create("figure");
    const svg = figure.append("svg").attr("class", "lanes").attr("role", "group")
      .attr("aria-label", "What each ship did when").attr("width", width).attr("height", height);
    svg.append("clipPath").attr("id", "within").append("rect")
      .attr("x", LEFT).attr("width", Math.max(0, width - LEFT)).attr("height", height);
    svg.selectAll("text.ship").data(ships).join("text").attr("class", "ship").attr("x", 0)
      .attr("y", (ship) => lane(ship) + lane.bandwidth() / 2).attr("dy", "0.35em").text((ship) => ship);
    const axis = svg.append("g").attr("class", "axis").attr("transform", `translate(0,${TOP - 4})`);
    const bars = svg.append("g").attr("clip-path", "url(#within)").selectAll("g").data(all).join("g")
      .attr("class", "bar").attr("tabindex", 0).attr("role", "button").attr("aria-label", told)
      .on("click", (_event, span) => choose(span.claim.task))
      .on("keydown", (event, span) => { if (event.key === "Enter") choose(span.claim.task); });
    bars.append("title").text(told);
    const boxes = bars.append("rect").attr("class", (span) => `phase ${span.phase.state}`)
      .attr("y", (span) => lane(span.claim.ship)).attr("height", lane.bandwidth()).attr("rx", 2);
    const labels = bars.append("text").attr("class", "label").attr("aria-hidden", "true")
      .attr("y", (span) => lane(span.claim.ship) + lane.bandwidth() / 2).attr("dy", "0.35em");

    const place = (scale) => {
      const x = (span) => scale(span.from * 1000);
      const wide = (span) => Math.max(1, scale(span.until * 1000) - x(span));
      axis.call(d3.axisTop(scale).ticks(Math.max(2, width / 140)));
      boxes.attr("x", x).attr("width", wide);
      labels.attr("x", (span) => x(span) + 5)
        .text((span) => (wide(span) > 34 ? span.claim.task ?? "verify" : ""));
    };
    const zoom = d3.zoom().scaleExtent([1, 500]).extent([[LEFT, 0], [width - 8, height]])
      .translateExtent([[LEFT, 0], [width - 8, height]])
      .filter((event) => event.type !== "wheel" || event.ctrlKey || event.shiftKey)
      .on("zoom", (event) => { zoomed = event.transform; place(zoomed.rescaleX(time)); });
    svg.call(zoom);
    if (zoomed) svg.call(zoom.transform, zoomed);
    else place(time);
    figure.append("figcaption").text("Shift and the wheel zoom, dragging moves.");
    figure.node().append(legend());
    return figure.node();
  };

  return { draw };
})();
