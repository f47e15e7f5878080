"use strict";
// Orders: what the buttons send, with a question first if something is stopped by it.
window.ocaptainOrders = (() => {
  const STOPS = {
    halt: "Stop all agents now? What they have is kept, and `resume` goes on.",
    release: "Take this task from its ship? Its agent is stopped; what it has is kept.",
  };
  const news = document.getElementById("news");

  const give = async (voyage, verb, fields) => {
    if (STOPS[verb] && !window.confirm(STOPS[verb])) return;
    news.textContent = `${verb} …`;
    const address = `api/voyages/${encodeURIComponent(voyage)}/orders/${verb}`;
    const headers = { "Content-Type": "application/json" };
    try {
      const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(fields) });
      tell(await answer.json());
    } catch (error) {
      news.textContent = `${verb}: not sent: ${error.message}`;
    }
  };

  // What has become of an order.
  const tell = (order) => {
    const words = order.error || order.message || (order.said || []).join(" ");
    news.textContent = words || `${order.verb}: ${order.state}`;
  };

  const button = (voyage, verb, fields, text) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text || verb;
    made.addEventListener("click", () => give(voyage, verb, fields));
    return made;
  };

  // The orders to the voyage as a whole, into an element; once for each voyage.
  const toolbar = (picture, element) => {
    const hail = document.createElement("form");
    const message = document.createElement("input");
    message.type = "text";
    message.required = true;
    message.maxLength = 4000;
    message.setAttribute("aria-label", "A message to all agents");
    message.placeholder = "A message to all agents";
    const send = document.createElement("button");
    send.textContent = "hail";
    hail.append(message, send);
    hail.addEventListener("submit", (event) => {
      event.preventDefault();
      give(picture.voyage, "hail", { message: message.value });
      message.value = "";
    });
    const buttons = ["pause", "resume", "halt"].map((verb) => button(picture.voyage, verb, {}));
    element.replaceChildren(...buttons, ...(picture.record.interactive ? [hail] : []));
  };

  // The order that a task may need now, if any.
  const forTask = (picture, task) => {
    if (task.status === "failed") return button(picture.voyage, "retry", { task: task.id });
    if (task.status === "in_progress") return button(picture.voyage, "release", { task: task.id });
    return null;
  };

  return { toolbar, forTask, tell };
})();
