"use strict";
// Orders: buttons, the questions before them, and what came of them.

const orders = (() => {
  const { h } = elements;
  const { state } = store;
  const news = document.getElementById("news");
  const SHOWN_MS = 12000;
  const notes = new Map();

  const ENDED = ["complete", "failed"];
  const STOPPED = ["paused", "halted"];

  const isAllowed = () => !store.report && state.picture && !state.isAway;

  // --- what came of it ---

  const note = (key, tone, title, lines, isOver) => {
    const old = notes.get(key);
    const close = h("button.icon", { type: "button", "aria-label": "Close this message",
      click: () => drop(key) }, "×");
    const node = h(`div.note.${tone}`, {}, h("div.note-text", {}, h("strong", {}, title),
      lines.filter(Boolean).map((line) => h("p", {}, elements.long(line, 800)))), close);
    if (old) old.replaceWith(node);
    else news.append(node);
    notes.set(key, node);
    if (isOver && tone !== "bad") setTimeout(() => { if (notes.get(key) === node) drop(key); },
      SHOWN_MS);
  };
  const drop = (key) => {
    const node = notes.get(key);
    if (node) node.remove();
    notes.delete(key);
  };

  const TONES = { running: "busy", done: "good", failed: "bad" };
  const shownStates = new Map();
  const told = new Set();  // orders that came to nothing, which their dialog says
  store.listen((kinds) => {
    if (!kinds.has("orders")) return;
    for (const order of state.orders.values()) show(order);
  });
  const show = (order) => {
    const sign = `${order.state} ${order.said.length}`;
    if (told.has(order.id) || shownStates.get(order.id) === sign) return;
    shownStates.set(order.id, sign);
    const words_ = order.state === "running" ? `${name(order.verb)} …` : name(order.verb);
    const unheard = order.unheard && order.unheard.length
      ? `They hear of it when they ask next: ${order.unheard.join(", ")}.` : "";
    note(order.id, TONES[order.state], words_,
      [...order.said.slice(-3), order.message, unheard], order.state !== "running");
  };
  const name = (verb) => {
    const plain = verb.replace("_", " ");
    return plain.charAt(0).toUpperCase() + plain.slice(1);
  };

  const give = async (verb, body) => {
    const voyage = encodeURIComponent(state.picture.voyage);
    const answer = await fetch(`api/voyages/${voyage}/orders/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const order = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      const fault = new Error(order.error || `It was answered with ${answer.status}.`);
      fault.field = order.field;
      throw fault;
    }
    if (order.state === "failed") {
      told.add(order.id);
      drop(order.id);
      throw new Error(order.message || "It came to nothing.");
    }
    state.orders.set(order.id, order);
    store.tell("orders");
  };

  // --- the question before it ---

  const field = (spec) => {
    const id = `field-${spec.name}`;
    const hint = spec.hint ? h("p.hint", { id: `${id}-hint` }, spec.hint) : null;
    const shared = { id, name: spec.name, required: spec.required,
      "aria-describedby": spec.hint ? `${id}-hint` : null };
    let input;
    if (spec.options) {
      input = h("select", shared, spec.options.map(([value, text]) =>
        h("option", { value, selected: value === spec.value }, text)));
    } else if (spec.rows) {
      input = h("textarea", { ...shared, rows: spec.rows });
      input.value = spec.value || "";
    } else {
      input = h("input", { ...shared, type: spec.type || "text", min: spec.min, max: spec.max,
        autocomplete: "off" });
      input.value = spec.value === undefined ? "" : spec.value;
    }
    return h("div.field", {}, h("label", { for: id }, spec.label), input, hint);
  };

  // Asks in a dialog; `body` makes of the fields' values what is sent.
  const question = ({ verb, title, text, button, fields = [], body, isDanger }) => {
    const fault = h("p.fault", { role: "alert" });
    const submit = h(`button.${isDanger ? "danger" : "primary"}`, { type: "submit" }, button);
    const form = h("form", { novalidate: true }, h("h2", { id: "question" }, title),
      text && h("p", {}, text), fields.map(field), fault,
      h("div.row.end", {},
        h("button", { type: "button", click: () => dialog.close() }, "Cancel"), submit));
    const dialog = h("dialog", { "aria-labelledby": "question" }, form);
    const opener = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (opener && opener.isConnected) opener.focus();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const lacking = fields.find((each) => each.required && !form.elements[each.name].value.trim());
      if (lacking) {
        fault.textContent = `${lacking.label} is missing.`;
        form.elements[lacking.name].focus();
        return;
      }
      const values = Object.fromEntries(fields.map((each) =>
        [each.name, form.elements[each.name].value]));
      submit.disabled = true;
      try {
        await give(verb, body(values));
        dialog.close();
      } catch (failure) {
        fault.textContent = failure.message;
        const wrong = failure.field && form.elements[failure.field.split(/[.[]/)[0]];
        if (wrong) wrong.focus();
      } finally {
        submit.disabled = false;
      }
    });
    document.body.append(dialog);
    dialog.showModal();
    const first = form.querySelector("input, textarea, select");
    (first || submit).focus();
  };

  const atOnce = async (verb, body) => {
    try {
      await give(verb, body);
    } catch (failure) {
      note(`fault-${verb}`, "bad", `${name(verb)} was not taken`, [failure.message], true);
    }
  };

  // --- the orders ---

  const listed = (text) => text.split(/[\s,]+/).filter(Boolean);
  const ships = () => state.picture.status.ships.map((ship) => [ship.id, ship.id]);

  const pause = () => question({
    verb: "pause", title: "Pause the voyage?", button: "Pause",
    text: "No more tasks are handed out. Ships finish what they are at.", body: () => ({}),
  });
  const halt = () => question({
    verb: "halt", title: "Halt the voyage?", button: "Halt", isDanger: true, body: () => ({}),
    text: "Agents are stopped at once, and their ships give their tasks back. What they have "
      + "pushed is kept.",
  });
  const resume = () => atOnce("resume", {});
  const hail = (ship) => question({
    verb: "hail", title: ship ? `Hail ${ship}` : "Hail the agents", button: "Send",
    fields: [
      { name: "message", label: "Message", rows: 5, required: true,
        hint: "Agents read it while they work, or with their next task." },
      { name: "ship", label: "To", value: ship || "", options: [["", "all ships"], ...ships()] },
    ],
    body: (values) => ({ message: values.message, ship: values.ship || null }),
  });
  const retry = (task) => atOnce("retry", { task });
  const release = (task) => question({
    verb: "release", title: `Release task ${task}?`, button: "Release", isDanger: true,
    text: "Its ship drops it, and another may take it. What was pushed is kept.",
    body: () => ({ task }),
  });
  const relieve = (ship) => question({
    verb: "relieve", title: `Relieve ${ship}?`, button: "Relieve", isDanger: true,
    text: "It finishes its task and gets no other; then its VM is destroyed.",
    body: () => ({ ship }),
  });
  const reinforce = () => question({
    verb: "reinforce", title: "Reinforce the fleet", button: "Reinforce",
    text: "Ships that are lost are made anew.",
    fields: [{ name: "ships", label: "Ships more", type: "number", min: 0, max: 99, value: 0 }],
    body: (values) => ({ ships: Number(values.ships || 0), force: false }),
  });

  const runs = () => state.picture.record.agent === "shell";
  const taskFields = (row = {}, description = "", run = "") => [
    { name: "subject", label: "Subject", value: row.subject, required: true },
    { name: "description", label: "Description", rows: 7, value: description },
    { name: "after", label: "After tasks", value: (row.blockers || []).join(" "),
      hint: "Ids of tasks that have to land before it." },
    ...(runs() ? [{ name: "run", label: "Command", rows: 2, value: run, required: true,
      hint: "What the agent `shell` executes." }] : []),
  ];
  const addTask = () => question({
    verb: "add_task", title: "Add a task", button: "Add", fields: taskFields(),
    body: (values) => ({ subject: values.subject, after: listed(values.after),
      ...(values.description ? { description: values.description } : {}),
      ...(values.run ? { run: values.run } : {}) }),
  });
  const editTask = (row, description, run) => question({
    verb: "edit_task", title: `Edit task ${row.id}`, button: "Save",
    fields: taskFields(row, description, run),
    body: (values) => {
      const body = { task: row.id };
      if (values.subject !== row.subject) body.subject = values.subject;
      if (values.description !== description) body.description = values.description;
      if (values.run && values.run !== run) body.run = values.run;
      const after = listed(values.after);
      if (after.join() !== (row.blockers || []).join()) body.after = after;
      return body;
    },
  });

  const button = (text, act, kind = "") => h(kind ? `button.${kind}` : "button", { type: "button",
    click: act }, text);

  // The buttons of the voyage, for the state that it is in.
  const ofVoyage = () => {
    if (!isAllowed()) return [];
    const { status, record } = state.picture;
    if (ENDED.includes(status.state)) return [button("Add task", addTask)];
    const isStopped = STOPPED.includes(status.state);
    return [
      isStopped && button("Resume", resume, "primary"),
      !isStopped && button("Pause", pause),
      record.interactive && button("Hail", () => hail(null)),
      button("Add task", addTask),
      button("Reinforce", reinforce),
      status.state !== "halted" && button("Halt", halt, "quiet-danger"),
    ].filter(Boolean);
  };

  const ofTask = (row, details) => {
    if (!isAllowed()) return [];
    const { record } = state.picture;
    return [
      row.status === "failed" && button("Retry", () => retry(row.id), "primary"),
      row.status === "in_progress" && record.interactive && row.owner
        && button(`Hail ${row.owner}`, () => hail(row.owner)),
      row.status === "pending" && details && button("Edit",
        () => editTask(row, details.description, details.run || "")),
      row.status === "in_progress" && button("Release", () => release(row.id), "quiet-danger"),
    ].filter(Boolean);
  };

  const ofShip = (ship) => {
    if (!isAllowed() || ["relieved", "sunk", "done"].includes(ship.state)) return [];
    return [
      state.picture.record.interactive && button("Hail", () => hail(ship.id)),
      button("Relieve", () => relieve(ship.id), "quiet-danger"),
    ].filter(Boolean);
  };

  // What `status` advises, as a button where there is one for it, or as text to copy.
  const ofAdvice = (command) => {
    const [, verb, ...rest] = command.split(/\s+/);
    const href = (path) => `#/${encodeURIComponent(state.picture.voyage)}/${path}`;
    if (verb === "tasks" && command.includes("--status failed")) {
      return h("a.button.primary", { href: href("tasks?state=failed") }, "Show failed tasks");
    }
    if (verb === "logs") return h("a.button", { href: href("log") }, "Show the log");
    if (isAllowed()) {
      if (verb === "resume") return button("Resume", resume, "primary");
      if (verb === "reinforce") return button("Reinforce", reinforce, "primary");
      if (verb === "retry" && rest.length) {
        const task = rest.find((word) => !word.startsWith("-") && !word.startsWith("voyage-"));
        if (task) return button(`Retry ${task}`, () => retry(task), "primary");
      }
    }
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(command);
        copy.textContent = "Copied";
        setTimeout(() => { copy.textContent = "Copy"; }, 2000);
      } catch {
        note("copy", "bad", "It could not be copied", [command], true);
      }
    });
    return copy;
  };

  return { ofVoyage, ofTask, ofShip, ofAdvice };
})();
