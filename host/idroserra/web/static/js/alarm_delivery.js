// Who is told of alarms, whether it arrives, and the test button.

import { request } from "./link.js";
import { nowUnixMs } from "./state.js";
import { ageText, fullTime } from "./words.js";

const root = document.getElementById("delivery");
const TEST_MS = 40_000;
const POLL_MS = 500;
const STATES = { sent: "taken", waiting: "waiting", failed: "failed" };

function item(level, name, text) {
  const li = document.createElement("li");
  li.dataset.level = level;
  li.append(
    document.createElement("i"),
    Object.assign(document.createElement("b"), { textContent: name }),
    Object.assign(document.createElement("span"), { textContent: text }),
  );
  return li;
}

function targetItem(target) {
  const kind = [target.service, target.escalation_only ? "reminders only" : ""].filter(Boolean).join(", ");
  const name = kind ? `${target.name} (${kind})` : target.name;
  if (target.error) {
    const next = target.next_try_unix_ms ? ` Tried again at ${fullTime(target.next_try_unix_ms)}.` : "";
    return item("bad", name, `does not arrive: ${target.error}${next}`);
  }
  if (target.sent_unix_ms === null) return item("note", name, "nothing sent yet: send a test");
  return item("ok", name, `last taken ${ageText(nowUnixMs() - target.sent_unix_ms)}`);
}

function beatText(heartbeat) {
  if (!heartbeat.is_set) return "No heartbeat is set: when this host dies, nobody is told.";
  if (heartbeat.error) return `Heartbeat: ${heartbeat.error}.`;
  if (heartbeat.done_unix_ms === null) return "Heartbeat: not sent yet.";
  return `Heartbeat: taken ${ageText(nowUnixMs() - heartbeat.done_unix_ms)}.`;
}

function noticeItem(notice) {
  const to = notice.deliveries.map((one) => `${one.target}: ${STATES[one.state]}${one.error ? ` (${one.error})` : ""}`);
  return Object.assign(document.createElement("li"), {
    textContent: `${fullTime(notice.unix_ms)} ${notice.title}. ${to.join("; ") || "to nobody"}`,
  });
}

export function renderDelivery({ targets, heartbeat, notices }) {
  root.querySelector(".nobody").hidden = targets.length > 0;
  document.getElementById("test").hidden = targets.length === 0;
  root.querySelector(".targets").replaceChildren(...targets.map(targetItem));
  root.querySelector(".beat").textContent = beatText(heartbeat);
  root.querySelector("details").hidden = notices.length === 0;
  root.querySelector(".sent").replaceChildren(...notices.map(noticeItem));
}

/** Send a test; pending until every address has taken or refused it. */
async function test(reload) {
  const outcome = root.querySelector(".outcome");
  const button = document.getElementById("test");
  const say = (how, text) => {
    outcome.hidden = false;
    outcome.dataset.state = how;
    outcome.textContent = text;
    button.disabled = how === "pending";
  };
  say("pending", "Sending\u2026");
  try {
    const { id } = await request("/api/alarms/test", { method: "POST", body: {} });
    const deadline = Date.now() + TEST_MS;
    let deliveries = [];
    do {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const { delivery } = await reload();
      deliveries = (delivery.notices.find((notice) => notice.id === id) || { deliveries: [] }).deliveries;
    } while (deliveries.some((one) => one.state === "waiting") && Date.now() < deadline);
    const missed = deliveries.filter((one) => one.state !== "sent");
    if (!missed.length) say("done", `Confirmed: taken by ${deliveries.map((one) => one.target).join(", ")}.`);
    else say("failed", missed.map((one) => `${one.target}: ${one.error || "no answer yet"}`).join(" "));
  } catch (error) {
    say("failed", `Not sent: ${error.message}`);
  }
}

export function wireTest(reload) {
  document.getElementById("test").addEventListener("click", () => test(reload));
}
