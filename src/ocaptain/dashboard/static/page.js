"use strict";
(() => {
  const block = document.getElementById("ocaptain-report");
  const main = document.getElementById("main");
  const standing = document.getElementById("standing");
  const title = document.getElementById("title");
  let picture = null;

  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = String(text);
    return made;
  };

  const table = (caption, columns, rows) => {
    const made = element("table");
    made.append(element("caption", caption));
    const head = element("tr");
    for (const column of columns) {
      const cell = element("th", column);
      cell.scope = "col";
      head.append(cell);
    }
    const top = element("thead");
    top.append(head);
    const body = element("tbody");
    for (const row of rows) {
      const line = element("tr");
      for (const cell of row) line.append(cell instanceof Node ? cell : element("td", cell));
      body.append(line);
    }
    made.append(top, body);
    return made;
  };

  const clock = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleTimeString() : "");

  const age = () => {
    if (!picture) return;
    const status = picture.status;
    const now = block ? picture.seen_at : Date.now() / 1000;
    const seconds = Math.max(0, Math.round(now - picture.seen_at));
    const count = `${status.tasks.completed} of ${status.tasks.total} tasks`;
    const state = picture.fault ? `unseen: ${picture.fault}` : status.state;
    const reason = status.reason && !picture.fault ? `, ${status.reason}` : "";
    standing.textContent =
      `${state}${reason}; ${count}, $${status.cost_usd.toFixed(2)}; seen ${seconds} s ago`;
    standing.classList.toggle("fault", Boolean(picture.fault));
  };

  const anchor = (id) => {
    const cell = element("td", id);
    cell.id = `task-${id}`;
    cell.tabIndex = -1;
    return cell;
  };

  const showTask = (id) => {
    const cell = document.getElementById(`task-${id}`);
    if (cell) cell.focus();
  };

  const orderFor = (task) => {
    const cell = element("td");
    const button = block ? null : window.ocaptainOrders.forTask(picture, task);
    if (button) cell.append(button);
    return cell;
  };

  const show = () => {
    const status = picture.status;
    title.textContent = `${status.name}: ${status.objective}`;
    document.title = `${status.name} – ocaptain`;
    const next = status.next.map((each) => [each.command, each.why]);
    const ships = status.ships.map((ship) => [ship.id, ship.state, ship.task, ship.reason, ship.said]);
    const tasks = picture.tasks.map((task) => [
      anchor(task.id), task.status, task.owner, task.subject, task.blocked_by.join(" "),
      task.reason, orderFor(task),
    ]);
    const landings = picture.landings.map((each) =>
      [clock(each.at), each.task, each.ship, each.commit.slice(0, 12), each.subject]);
    const parts = [];
    if (next.length) parts.push(table("What to type now", ["command", "what it does"], next));
    parts.push(window.ocaptainLanes.draw(picture, main.clientWidth, showTask));
    parts.push(table("Ships", ["ship", "state", "task", "why", "said last"], ships));
    parts.push(table("Tasks", ["task", "status", "ship", "subject", "waits for", "why", ""], tasks));
    parts.push(table("Landed", ["when", "task", "ship", "commit", "subject"], landings));
    main.replaceChildren(...parts);
    age();
  };

  const merged = (rows, news, key) => {
    const known = new Map(rows.map((row) => [row[key], row]));
    for (const row of news || []) known.set(row[key], row);
    return [...known.values()];
  };

  const merge = (change) => {
    picture.tasks = merged(picture.tasks, change.tasks, "id");
    picture.claims = merged(picture.claims, change.claims, "number");
    picture.landings = [...picture.landings, ...(change.landings || [])];
    if (change.costs_anew) picture.costs = change.costs_anew;
    for (const name of ["status", "chain", "is_whole", "now", "seen_at", "fault"]) {
      if (name in change) picture[name] = change[name];
    }
  };

  const showFleet = (fleet) => {
    const rows = fleet.voyages.map((row) => {
      const cell = element("td");
      const link = element("a", row.voyage);
      link.href = `#/${row.voyage}`;
      cell.append(link);
      const tasks = row.tasks ? `${row.tasks.completed} of ${row.tasks.total}` : "";
      return [cell, row.state, tasks, row.name, row.reason];
    });
    main.replaceChildren(table("Voyages", ["voyage", "state", "tasks", "plan", "why"], rows));
    standing.textContent = "";
    title.textContent = "ocaptain";
  };

  let stream = null;
  const follow = (chosen) => {
    if (stream) stream.close();
    picture = null;
    const query = chosen ? `?voyage=${encodeURIComponent(chosen)}` : "";
    document.getElementById("orders").replaceChildren();
    stream = new EventSource(`api/stream${query}`);
    const on = (kind, use) => stream.addEventListener(kind, (event) => use(JSON.parse(event.data)));
    on("fleet", (fleet) => {
      if (!chosen && fleet.named) location.hash = `#/${fleet.named}`;
      else if (!chosen) showFleet(fleet);
    });
    on("picture", (whole) => {
      picture = whole;
      window.ocaptainOrders.toolbar(picture, document.getElementById("orders"));
      show();
    });
    on("order", (order) => window.ocaptainOrders.tell(order));
    on("change", (change) => { if (picture) { merge(change); show(); } });
    on("tick", (sign) => {
      if (!picture) standing.textContent = sign.fault;
      else { merge({ now: sign.now, seen_at: sign.seen_at, fault: sign.fault }); age(); }
    });
  };

  if (block) {
    picture = JSON.parse(block.textContent).picture;
    show();
  } else {
    const route = () => follow(decodeURIComponent(location.hash.slice(2)));
    window.addEventListener("hashchange", route);
    setInterval(age, 1000);
    route();
  }
})();
