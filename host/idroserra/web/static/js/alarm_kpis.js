// Alarm statistics of each site, by ISA-18.2.

import { make } from "./dom.js";
import { t } from "./i18n.js";
import { number } from "./format.js";

const root = document.getElementById("kpis");

const plain = (value) => number(value, (String(value).split(".")[1] || "").length);

function row(name, value) {
  const div = document.createElement("div");
  div.append(
    make("dt", { textContent: name }),
    make("dd", { textContent: value }),
  );
  return div;
}

function site(one) {
  const box = document.createElement("section");
  box.dataset.level = one.is_good ? "ok" : "warn";
  const head = document.createElement("h3");
  head.append(`${one.site} `, make("span", { className: "chip", textContent: one.is_good ? t("good") : t("needs attention") }));
  head.firstElementChild.dataset.level = box.dataset.level;
  const list = make("dl", { className: "pairs small" });
  list.append(
    row(t("notified"), String(one.told_count)),
    row(t("per hour"), plain(one.per_hour)),
    row(t("maximum in 10 min"), String(one.most_per_10_min)),
    row(t("floods: more than 10 in 10 min"), String(one.flood_count)),
    row(t("time in flood"), `${plain(one.flood_pct)} %`),
    row(t("active now"), String(one.standing_count)),
    row(t("grouped under a cause"), String(one.folded_count)),
    row(t("shelved"), String(one.aside_count)),
  );
  box.append(head, list);
  for (const [words, keys] of [[t("Active for more than a day"), one.stale], [t("Chattering: increase the on-delay"), one.chattering]]) {
    if (keys.length) box.append(make("p", { className: "small", textContent: `${words}: ${keys.join(", ")}` }));
  }
  return box;
}

export function renderKpis(sites) {
  root.querySelector("div").replaceChildren(...sites.map(site));
}
