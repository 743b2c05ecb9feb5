// How the alarms themselves do: the figures of ISA-18.2, each site.

import { t } from "./i18n.js";
import { number } from "./words.js";

const root = document.getElementById("kpis");

const plain = (value) => number(value, (String(value).split(".")[1] || "").length);

function row(name, value) {
  const div = document.createElement("div");
  div.append(
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  );
  return div;
}

function site(one) {
  const box = document.createElement("section");
  box.dataset.level = one.is_good ? "ok" : "warn";
  const head = document.createElement("h3");
  head.append(`${one.site} `, Object.assign(document.createElement("span"), { className: "chip", textContent: one.is_good ? t("good") : t("look at these") }));
  head.firstElementChild.dataset.level = box.dataset.level;
  const list = document.createElement("dl");
  list.append(
    row(t("told of"), String(one.told_count)),
    row(t("an hour"), plain(one.per_hour)),
    row(t("most in ten minutes"), String(one.most_per_10_min)),
    row(t("time in a flood"), `${plain(one.flood_pct)} %`),
    row(t("standing now"), String(one.standing_count)),
    row(t("folded into a cause"), String(one.folded_count)),
    row(t("put aside"), String(one.aside_count)),
  );
  box.append(head, list);
  for (const [words, keys] of [[t("Older than a day"), one.stale], [t("Come and go: give them a longer delay"), one.chattering]]) {
    if (keys.length) box.append(Object.assign(document.createElement("p"), { className: "small", textContent: `${words}: ${keys.join(", ")}` }));
  }
  return box;
}

export function renderKpis(sites) {
  root.querySelector("div").replaceChildren(...sites.map(site));
}
