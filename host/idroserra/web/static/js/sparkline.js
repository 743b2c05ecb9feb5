// The last hour of a channel as a small line with the bands of the time, and its trend.

const HOUR_MS = 3600e3;
const TREND_MS = 15 * 60e3;
const GAP_MS = 5 * 60e3;
const SVG = "http://www.w3.org/2000/svg";

export class Sparkline {
  /** `notable`: the change within 15 minutes that shows an arrow, 0 for never. */
  constructor(notable) {
    this.notable = notable;
    this.points = [];
    this.bands = []; // { from, low, high }, oldest first; low is null without a band
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "spark");
    this.svg.setAttribute("viewBox", "0 0 100 30");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.area = this.svg.appendChild(document.createElementNS(SVG, "path"));
    this.area.setAttribute("class", "area");
    this.path = this.svg.appendChild(document.createElementNS(SVG, "path"));
  }

  seed(points) {
    const newest = points.length ? points[points.length - 1][0] : 0;
    this.points = points.concat(this.points.filter(([at]) => at > newest));
  }

  /** Set the bands of the last hour, as the host knows them. */
  seedBands(bands) {
    this.bands = bands;
  }

  add(unixMs, value) {
    const last = this.points[this.points.length - 1];
    if (!last || unixMs > last[0]) this.points.push([unixMs, value]);
  }

  get last() {
    return this.points[this.points.length - 1][1];
  }

  /** The newest band, null without one. */
  get lastBand() {
    const last = this.bands[this.bands.length - 1];
    return last && last.low !== null ? last : null;
  }

  /** True if the newest point is older than GAP_MS. */
  hasEnded(now) {
    const last = this.points[this.points.length - 1];
    return !last || now - last[0] > GAP_MS;
  }

  /** Draw the last hour; `band` is that of now. Before the bands are loaded, none is drawn. */
  draw(now, band) {
    this.points = this.points.filter(([at]) => at > now - HOUR_MS);
    this.path.toggleAttribute("hidden", this.points.length < 2);
    this.note(now, band);
    const shown = this.bands.filter((one) => one.low !== null);
    const [low, high] = this.extent(shown);
    const x = (at) => Math.max(0, 100 - (100 * (now - at)) / HOUR_MS);
    const y = (value) => 28 - (26 * (value - low)) / (high - low);
    this.path.setAttribute("d", this.line(x, y));
    this.area.setAttribute("d", this.areas(now, x, y));
    this.svg.dataset.bands = String(shown.length);
  }

  /** Keep the band of now if it changed, and drop those that ended before the last hour. */
  note(now, band) {
    const { low, high } = band || { low: null, high: null };
    const last = this.bands[this.bands.length - 1];
    if (!last || last.low !== low || last.high !== high) this.bands.push({ from: now, low, high });
    while (this.bands.length > 1 && this.bands[1].from <= now - HOUR_MS) this.bands.shift();
  }

  extent(bands) {
    const values = [...this.points.map(([, value]) => value), ...bands.flatMap((one) => [one.low, one.high])];
    const least = (this.notable || 1) * 3;
    const [low, high] = [Math.min(...values), Math.max(...values)];
    if (!Number.isFinite(low)) return [0, 1];
    const slack = Math.max(0, least - (high - low)) / 2;
    return [low - slack, high + slack];
  }

  /** A rectangle for each band. */
  areas(now, x, y) {
    return this.bands
      .map(({ from, low, high }, index) => {
        const to = index + 1 < this.bands.length ? this.bands[index + 1].from : now;
        if (low === null) return "";
        return `M${x(from).toFixed(2)} ${y(high).toFixed(2)}H${x(to).toFixed(2)}V${y(low).toFixed(2)}H${x(from).toFixed(2)}Z`;
      })
      .join("");
  }

  /** The path, with a break at gaps of more than GAP_MS. */
  line(x, y) {
    let last = null;
    return this.points
      .map(([at, value]) => {
        const step = last === null || at - last > GAP_MS ? "M" : "L";
        last = at;
        return `${step}${x(at).toFixed(2)} ${y(value).toFixed(2)}`;
      })
      .join("");
  }

  /** "up", "down" or "level"; null with too few points in 15 minutes. */
  trend(now) {
    const recent = this.points.filter(([at]) => at > now - TREND_MS);
    if (!this.notable || recent.length < 4 || recent[recent.length - 1][0] - recent[0][0] < TREND_MS / 3) return null;
    const third = Math.max(1, Math.floor(recent.length / 3));
    const mean = (part) => part.reduce((sum, [, value]) => sum + value, 0) / part.length;
    const change = mean(recent.slice(-third)) - mean(recent.slice(0, third));
    if (Math.abs(change) < this.notable) return "level";
    return change > 0 ? "up" : "down";
  }
}
