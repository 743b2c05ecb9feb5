// The time range of the charts, stored in the URL.

export const RANGES = { "1h": 3600e3, "24h": 86400e3, "7d": 7 * 86400e3, "14d": 14 * 86400e3, "30d": 30 * 86400e3 };
const MIN_MS = 60e3;
const MAX_MS = 400 * 86400e3;

/** Replace parameters of the address; null removes one. */
export function setQuery(values) {
  const query = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === "") query.delete(key);
    else query.set(key, value);
  }
  history.replaceState(null, "", `?${query}`);
}

export class Range {
  /** `fallback`: the range if the URL has none. */
  constructor(now, fallback) {
    this.now = now;
    this.fallback = fallback;
    this.read();
  }

  read() {
    const query = new URLSearchParams(location.search);
    const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
    this.name = query.get("range") in RANGES ? query.get("range") : this.fallback;
    this.fixed = from > 0 && to - from >= MIN_MS && to - from <= MAX_MS ? [from, to] : null;
  }

  /** True if the range ends now. */
  get follows() {
    return this.fixed === null;
  }

  get bounds() {
    if (this.fixed) return this.fixed;
    const to = Math.round(this.now());
    return [to - RANGES[this.name], to];
  }

  follow(name) {
    [this.name, this.fixed] = [name, null];
    this.write();
  }

  fix(from, to) {
    const length = Math.min(MAX_MS, Math.max(MIN_MS, to - from));
    const end = Math.min(to, this.now());
    this.fixed = [Math.round(end - length), Math.round(end)];
    this.write();
  }

  /** Move by `share` of the visible length; at the present it follows again. */
  pan(share) {
    const [from, to] = this.bounds;
    const by = (to - from) * share;
    if (to + by >= this.now() && Math.abs(to - from - RANGES[this.name]) < 1000) return this.follow(this.name);
    return this.fix(from + by, to + by);
  }

  /** Zoom around `at`; a factor below 1 zooms in. */
  zoom(factor, at) {
    const [from, to] = this.bounds;
    const middle = at ?? (from + to) / 2;
    this.fix(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  write() {
    setQuery({ range: this.name, from: this.fixed ? this.fixed[0] : null, to: this.fixed ? this.fixed[1] : null });
  }
}
