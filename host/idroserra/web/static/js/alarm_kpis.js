// How the alarms themselves do: the figures of ISA-18.2, each site.

const root = document.getElementById("kpis");

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
  head.append(`${one.site} `, Object.assign(document.createElement("span"), { className: "chip", textContent: one.is_good ? "good" : "look at these" }));
  head.firstElementChild.dataset.level = box.dataset.level;
  const list = document.createElement("dl");
  list.append(
    row("told of", String(one.told_count)),
    row("an hour", String(one.per_hour)),
    row("most in ten minutes", String(one.most_per_10_min)),
    row("time in a flood", `${one.flood_pct} %`),
    row("standing now", String(one.standing_count)),
    row("folded into a cause", String(one.folded_count)),
    row("put aside", String(one.aside_count)),
  );
  box.append(head, list);
  for (const [words, keys] of [["Older than a day", one.stale], ["Come and go: give them a longer delay", one.chattering]]) {
    if (keys.length) box.append(Object.assign(document.createElement("p"), { className: "small", textContent: `${words}: ${keys.join(", ")}` }));
  }
  return box;
}

export function renderKpis(sites) {
  root.querySelector("div").replaceChildren(...sites.map(site));
}
