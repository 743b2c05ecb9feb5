// Notification targets, their state, and the test button.

import { make } from "./dom.js";
import { mark, t } from "./i18n.js";
import { request } from "./connection.js";
import { nowUnixMs } from "./state.js";
import { ageText, fullTime } from "./format.js";

const root = document.getElementById("delivery");
const TEST_MS = 40_000;
const POLL_MS = 500;
const STATES = { sent: mark("sent"), waiting: mark("waiting"), failed: mark("failed") };

function item(level, name, text) {
  const li = document.createElement("li");
  li.dataset.level = level;
  li.append(
    make("b", { textContent: name }),
    make("p", { className: "small soft", textContent: text }),
  );
  return li;
}

function targetItem(target, unknown) {
  const kind = [target.service, target.escalation_only ? t("reminders only") : ""].filter(Boolean).join(", ");
  const name = kind ? `${target.name} (${kind})` : target.name;
  if (target.error) {
    const next = target.next_try_unix_ms ? t("Next attempt at {time}.", { time: fullTime(target.next_try_unix_ms) }) : "";
    return item("bad", name, `${t("delivery failed: {reason}", { reason: target.error.text })} ${next}`.trim());
  }
  if (unknown) return item("bad", name, unknownText(unknown));
  if (target.sent_unix_ms === null) return item("note", name, t("nothing sent yet: send a test"));
  return item("ok", name, t("last sent {ago}", { ago: ageText(nowUnixMs() - target.sent_unix_ms) }));
}

const unknownText = (reason) => t("delivery unknown: {reason}", { reason });

function beatText(heartbeat) {
  if (!heartbeat.is_set) return t("No heartbeat configured: a failure of this host is not notified.");
  if (heartbeat.error) return t("Heartbeat: {reason}.", { reason: heartbeat.error.text });
  if (heartbeat.done_unix_ms === null) return t("Heartbeat: not sent yet.");
  return t("Heartbeat: sent {ago}.", { ago: ageText(nowUnixMs() - heartbeat.done_unix_ms) });
}

function noticeItem(notice) {
  const to = notice.deliveries.map((one) => `${one.target}: ${t(STATES[one.state])}${one.error ? ` (${one.error.text})` : ""}`);
  return make("li", {
    textContent: `${fullTime(notice.unix_ms)} ${notice.title}. ${to.join("; ") || t("no recipients")}`,
  });
}

export function renderDelivery({ targets, heartbeat, notices, unknown }) {
  root.querySelector(".no-targets").hidden = targets.length > 0;
  document.getElementById("test").hidden = targets.length === 0;
  root.querySelector(".targets").replaceChildren(...targets.map((target) => targetItem(target, unknown)));
  root.querySelector(".beat").textContent = beatText(heartbeat);
  root.querySelector("details").hidden = notices.length === 0;
  root.querySelector(".sent").replaceChildren(...notices.map(noticeItem));
}

/** Send a test; pending until every target has accepted or refused it. */
async function test(reload) {
  const outcome = root.querySelector(".outcome");
  const button = document.getElementById("test");
  const showOutcome = (how, text) => {
    outcome.hidden = false;
    outcome.dataset.state = how;
    outcome.textContent = text;
    button.disabled = how === "pending";
  };
  showOutcome("pending", t("Sending\u2026"));
  try {
    const { id } = await request("/api/alarms/test", { method: "POST", body: {} });
    const deadline = Date.now() + TEST_MS;
    let deliveries = null; // until the host reports them
    do {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const { delivery } = await reload();
      if (delivery?.unknown) throw new Error(unknownText(delivery.unknown));
      deliveries = delivery?.notices.find((notice) => notice.id === id)?.deliveries || deliveries;
    } while ((!deliveries || deliveries.some((one) => one.state === "waiting")) && Date.now() < deadline);
    if (!deliveries) throw new Error(t("The host does not answer: check the network."));
    const missed = deliveries.filter((one) => one.state !== "sent");
    if (!missed.length) showOutcome("done", t("Sent to {names}.", { names: deliveries.map((one) => one.target).join(", ") }));
    else showOutcome("failed", missed.map((one) => `${one.target}: ${one.error?.text || t("no answer yet")}`).join(" "));
  } catch (error) {
    showOutcome("failed", t("Not confirmed: {reason}", { reason: error.message }));
  }
}

export function wireTest(reload) {
  document.getElementById("test").addEventListener("click", () => test(reload));
}
