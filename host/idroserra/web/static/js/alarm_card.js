// One alarm on the page, with its actions.

import { make } from "./dom.js";
import { mark, t, tn } from "./i18n.js";
import { nowUnixMs } from "./state.js";
import { ICONS } from "./strip.js";
import { fullTime } from "./format.js";

const LEVEL = { low: "note", medium: "warn", high: "bad", urgent: "bad" };
const DONE_TEXTS = {
  acknowledge: mark("Acknowledged."),
  shelve: mark("Shelved; it returns automatically."),
  unshelve: mark("Unshelved."),
  "put-back": mark("Returned to service."),
};
// Addresses of the how-tos by rule, if this host has the help.
const HOW_TOS = JSON.parse(document.getElementById("main").dataset.howtos ?? "{}");
const SHOWN_CONSEQUENCES = 30;

export const isShelved = (alarm) => alarm.state === "shelved" || alarm.state === "out_of_service";

function lasted(ms) {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  if (minutes < 1) return t("less than a minute");
  if (minutes < 120) return t("{count} min", { count: minutes });
  return minutes < 2880 ? t("{count} h", { count: Math.round(minutes / 60) }) : t("{count} d", { count: Math.round(minutes / 1440) });
}

/** Text with `commands` as code elements. */
function withCode(text) {
  return text.split("`").map((part, index) => (index % 2 ? make("code", { textContent: part }) : part));
}

/** The title of an alarm with its reason. */
export const withReason = ({ title, reason }) => (reason ? t("{title}: {reason}", { title, reason: reason.text }) : title);

/** The node of an alarm, as a link, and its title. */
function heading({ node, title }) {
  return node ? [make("a", { href: `/nodes/${encodeURIComponent(node)}`, textContent: node }), `: ${title}`] : [title];
}

const place = (alarm) => (alarm.node ? `${alarm.node}: ` : "");

export class AlarmCard {
  constructor(key, act) {
    this.root = document.getElementById("alarm").content.firstElementChild.cloneNode(true);
    this.root.dataset.key = key;
    this.alarm = null;
    for (const button of this.root.querySelectorAll("button")) {
      const verb = button.dataset.do;
      button.addEventListener("click", () => act(this, verb, verb === "acknowledge" ? { keys: [key] } : { key }));
    }
    const shelve = this.root.querySelector("select");
    shelve.addEventListener("change", () => {
      const forMs = Number(shelve.value);
      shelve.value = "";
      if (forMs) act(this, "shelve", { key, for_ms: forMs });
    });
  }

  doneText(verb) {
    return t(DONE_TEXTS[verb]);
  }

  showOutcome(how, text) {
    const outcome = this.root.querySelector(".outcome");
    outcome.hidden = false;
    outcome.dataset.state = how;
    outcome.textContent = text;
    for (const control of this.root.querySelectorAll("button, select")) control.disabled = how === "pending";
  }

  render(alarm) {
    if (this.alarm && this.alarm.state !== alarm.state && this.root.querySelector(".outcome").dataset.state !== "done") {
      this.root.querySelector(".outcome").hidden = true;
    }
    this.alarm = alarm;
    const { root } = this;
    const level = LEVEL[alarm.priority];
    root.dataset.level = level;
    root.dataset.state = alarm.state;
    root.querySelector("use").setAttribute("href", ICONS[level]);
    root.querySelector("h3").replaceChildren(...heading(alarm));
    root.querySelector(".priority").textContent = t(alarm.priority);
    root.querySelector(".text").textContent = alarm.reason?.text ?? "";
    root.querySelector(".act span").replaceChildren(...withCode(alarm.action));
    root.querySelector(".why-it p").textContent = t("{consequence} Act within {time}.", { consequence: alarm.consequence, time: lasted(alarm.respond_min * 60_000) });
    this.renderConsequences(alarm.consequences);
    const show = (verb, isShown) => (root.querySelector(`[data-do="${verb}"]`).hidden = !isShown);
    show("acknowledge", alarm.state === "unacknowledged" || alarm.state === "returned");
    show("unshelve", alarm.state === "shelved");
    show("put-back", alarm.state === "out_of_service");
    const mend = root.querySelector(".mend-it");
    mend.hidden = !alarm.href;
    mend.href = alarm.href;
    mend.textContent = t("Go to {place}", { place: alarm.place });
    const howTo = root.querySelector(".how-to");
    howTo.hidden = !(alarm.rule in HOW_TOS);
    howTo.href = HOW_TOS[alarm.rule] ?? "";
    root.querySelector(".shelve").hidden = isShelved(alarm) || alarm.state === "pending";
    this.tick(nowUnixMs());
  }

  renderConsequences(consequences) {
    const more = this.root.querySelector(".more");
    more.hidden = consequences.length === 0;
    more.querySelector("summary").textContent = tn("1 grouped alarm", "{count} grouped alarms", consequences.length);
    const lines = consequences.slice(0, SHOWN_CONSEQUENCES).map((one) => `${place(one)}${withReason(one)}`);
    if (consequences.length > lines.length) lines.push(t("and {count} more", { count: consequences.length - lines.length }));
    const joined = lines.join("\n");
    if (more.dataset.text === joined) return;
    more.dataset.text = joined;
    more.querySelector("ul").replaceChildren(...lines.map((text) => make("li", { textContent: text })));
  }

  /** Update the times. */
  tick(unixMs) {
    const { alarm } = this;
    if (!alarm) return;
    const since = alarm.raised_unix_ms || alarm.changed_unix_ms;
    let words = alarm.state_words;
    if (alarm.shelved_until_unix_ms) words = t("shelved until {time}", { time: fullTime(alarm.shelved_until_unix_ms) });
    const text = t("{state}; since {time}, {lasted}", { state: words, time: fullTime(since), lasted: lasted(unixMs - since) });
    const meta = this.root.querySelector(".meta");
    if (meta.textContent !== text) meta.textContent = text;
  }
}
