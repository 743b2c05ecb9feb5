// Recipients of notifications, and when they are notified.

import { byId, make, showOutcome } from "./dom.js";
import { nowUnixMs } from "./state.js";
import { mark, t } from "./i18n.js";
import { request, start } from "./connection.js";
import { ageText } from "./format.js";
import { withDisabled } from "./confirm_dialog.js";
import { LatestResponse } from "./latest_response.js";
import { startFrame } from "./page_frame.js";
import { addressOf } from "./recipient_address.js";
import { openDialog, wireDialog } from "./settings_form.js";

const POLL_MS = 500;
const TEST_MS = 40_000;
const PRIORITIES = { low: mark("low"), medium: mark("medium"), high: mark("high"), urgent: mark("urgent") };
const SOURCES = { "command line": mark("set on the command line of the host"), environment: mark("set in the environment of the host") };
const answers = new LatestResponse();
const [recipient, remove] = ["recipient", "remove"].map(byId);
const isAdmin = recipient !== null;
const mayTest = document.body.dataset.role !== "viewer";
const times = byId("times");
let chosen = "";

const path = (name) => `/api/settings/recipients/${encodeURIComponent(name)}`;
const sourceText = (source) => (SOURCES[source] ? t(SOURCES[source]) : t("set in the host's configuration file"));

function aboutText(one) {
  const about = [one.service, one.from_priority === "low" ? t("all priorities") : t("from priority {priority}", { priority: t(PRIORITIES[one.from_priority]) })];
  if (one.escalation_only) about.push(t("reminders only"));
  if (one.sites.length) about.push(one.sites.join(", "));
  about.push(one.source ? sourceText(one.source) : one.has_address ? t("address is set") : t("address is missing"));
  return about.filter(Boolean).join(" · ");
}

const unknownText = (reason) => t("delivery unknown: {reason}", { reason });

function deliveryText(one, status, unknown) {
  if (one.trouble) return ["bad", one.trouble];
  if (!status) return ["note", ""];
  if (status.error) return ["bad", t("delivery failed: {reason}", { reason: status.error.text })];
  if (unknown) return ["bad", unknownText(unknown)];
  if (status.sent_unix_ms === null) return ["note", t("nothing sent yet: send a test")];
  return ["ok", t("last sent {ago}", { ago: ageText(nowUnixMs() - status.sent_unix_ms) })];
}

function button(text, act, name) {
  const made = make("button", { type: "button", textContent: text, ariaLabel: `${text} ${name}` });
  made.addEventListener("click", () => act(made));
  return made;
}

function row(one, status, unknown) {
  const [level, text] = deliveryText(one, status, unknown);
  const state = make("small", { className: "delivery", textContent: text });
  state.dataset.level = level;
  const name = make("b", { textContent: one.name }, make("small", { textContent: aboutText(one) }), state);
  const buttons = mayTest && !one.trouble ? [Object.assign(button(t("Test"), (made) => test(one.name, made), one.name), { className: "test" })] : [];
  if (isAdmin && !one.source) {
    buttons.push(button(t("Change\u2026"), () => askToChange(one), one.name), button(t("Remove\u2026"), () => askToRemove(one), one.name));
  }
  const item = make("li", {}, name, ...buttons);
  item.dataset.name = one.name;
  return item;
}

function askToChange(one) {
  chosen = one.name;
  openDialog(recipient, one.name ? t("Change {name}", { name: one.name }) : t("Add a recipient"), { name: one.name, from_priority: one.from_priority, language: one.language, service: one.name ? "keep" : "ntfy" });
  const { name, escalation_only: only, service } = recipient.querySelector("form").elements;
  name.readOnly = Boolean(one.name);
  only.checked = one.escalation_only;
  service.options[0].hidden = service.options[0].disabled = !one.name;
  for (const box of recipient.querySelectorAll("[name=sites]")) box.checked = one.sites.includes(box.value);
  showService();
}

function askToRemove(one) {
  chosen = one.name;
  openDialog(remove, t("Remove {name}?", { name: one.name }));
}

function showService() {
  const { service } = recipient.querySelector("form").elements;
  for (const part of recipient.querySelectorAll(".address")) part.hidden = part.dataset.service !== service.value;
}

function render(answer) {
  const statuses = new Map(answer.delivery.targets.map((one) => [one.name, one]));
  byId("no-recipients").hidden = answer.recipients.length > 0;
  byId("recipients").replaceChildren(...answer.recipients.map((one) => row(one, statuses.get(one.name), answer.delivery.unknown)));
  return answer;
}

function renderTimes({ times: found, trouble }) {
  for (const [key, { value, source }] of Object.entries(found)) {
    const field = times.elements[key];
    const note = field.parentElement.querySelector(".locked");
    field.value = value ?? "";
    field.disabled = !isAdmin || source !== null;
    note.hidden = source === null;
    note.textContent = source === null ? "" : sourceText(source);
  }
  if (isAdmin) times.querySelector("[type=submit]").disabled = false;
  if (trouble) showOutcome(times.querySelector(".outcome"), "failed", trouble);
}

async function load() {
  const answer = await answers.of(request("/api/settings/notifications"));
  return answer && render(answer);
}

/** Send a test, and show the result in words once the recipient's service has answered. */
async function test(name, made) {
  const outcome = byId("recipients-outcome");
  showOutcome(outcome, "pending", t("Sending a test to {name}\u2026", { name }));
  try {
    await withDisabled([made], async () => {
      const { id } = await request(`${path(name)}/test`, { method: "POST", body: {} });
      const result = await deliveryOf(id, name);
      if (result?.state === "sent") showOutcome(outcome, "done", t("The service of {name} accepted the test. Check that it arrived.", { name }));
      else showOutcome(outcome, "failed", t("The test to {name} failed: {reason}", { name, reason: result?.error?.text || t("no answer yet") }));
    });
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
  load();
}

async function deliveryOf(id, name) {
  const deadline = Date.now() + TEST_MS;
  for (;;) {
    const { delivery } = await request("/api/settings/notifications");
    if (delivery.unknown) throw new Error(unknownText(delivery.unknown));
    const found = delivery.notices.find((notice) => notice.id === id)?.deliveries.find((one) => one.target === name);
    if ((found && found.state !== "waiting") || Date.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function send(place, method, body, done) {
  render(await answers.change(request(place, { method, body })));
  showOutcome(byId("recipients-outcome"), "done", done);
}

wireDialog(recipient, async (form) => {
  const data = new FormData(form);
  const url = addressOf(data.get("service"), Object.fromEntries(data));
  if (url === null) throw new Error(t("Fill in the fields of the service."));
  const name = data.get("name").trim();
  const body = { url, from_priority: data.get("from_priority"), escalation_only: data.has("escalation_only"), language: data.get("language"), sites: data.getAll("sites") };
  await send(path(name), "PUT", body, chosen ? t("{name} changed. Send a test.", { name }) : t("{name} added. Send a test.", { name }));
});
wireDialog(remove, () => send(path(chosen), "DELETE", {}, t("{name} was removed.", { name: chosen })));

times.addEventListener("submit", async (event) => {
  event.preventDefault();
  const outcome = times.querySelector(".outcome");
  const body = Object.fromEntries(["notify_from", "quiet_from", "quiet_until", "daily_at"].map((key) => [key, times.elements[key].value || null]));
  try {
    const save = times.querySelector("[type=submit]");
    const hadFocus = times.contains(document.activeElement);
    const answer = await withDisabled(times.elements, () => answers.change(request("/api/settings/notifications", { method: "PUT", body })));
    renderTimes(answer);
    if (hadFocus) save.focus();
    showOutcome(outcome, "done", t("Saved; it applies now."));
  } catch (error) {
    showOutcome(outcome, "failed", error.message);
  }
});

if (isAdmin) {
  byId("add-recipient").addEventListener("click", () => askToChange({ name: "", from_priority: "low", language: document.documentElement.lang.split("-")[0], escalation_only: false, sites: [] }));
  recipient.querySelector("[name=service]").addEventListener("change", showService);
  recipient.addEventListener("close", () => recipient.querySelector("form").reset()); // no address stays in the page
}
startFrame();
start();
load().then((answer) => answer && renderTimes(answer), (error) => showOutcome(byId("recipients-outcome"), "failed", error.message));
