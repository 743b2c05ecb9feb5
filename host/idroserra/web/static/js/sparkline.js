// The last hour of a channel as a small line, and its trend.

const HOUR_MS = 3600e3;
const TREND_MS = 15 * 60e3;
const GAP_MS = 5 * 60e3;
const SVG = "http://www.w3.org/2000/svg";

export class Sparkline {
  /** `notable`: the change within 15 minutes that shows an arrow, 0 for never. */
  constructor(notable) {
    this.notable = notable;
    this.points = [];
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "spark");
    this.svg.setAttribute("viewBox", "0 0 100 30");
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.rect = this.svg.appendChild(document.createElementNS(SVG, "rect"));
    this.path = this.svg.appendChild(document.createElementNS(SVG, "path"));
  }

  seed(points) {
    const newest = points.length ? points[points.length - 1][0] : 0;
    this.points = points.concat(this.points.filter(([at]) => at > newest));
  }

  add(unixMs, value) {
    const last = this.points[this.points.length - 1];
    if (!last || unixMs > last[0]) this.points.push([unixMs, value]);
  }

  get last() {
    return this.points[this.points.length - 1][1];
  }

  /** True if the newest point is older than GAP_MS. */
  hasEnded(now) {
    const last = this.points[this.points.length - 1];
    return !last || now - last[0] > GAP_MS;
  }

  draw(now, band) {
    this.points = this.points.filter(([at]) => at > now - HOUR_MS);
    this.path.toggleAttribute("hidden", this.points.length < 2);
    const [low, high] = this.extent(band);
    const y = (value) => 28 - (26 * (value - low)) / (high - low);
    this.path.setAttribute("d", this.line(now, y));
    this.rect.setAttribute("visibility", band ? "visible" : "hidden");
    if (!band) return;
    const top = Math.max(0, y(band.high));
    this.rect.setAttribute("width", 100);
    this.rect.setAttribute("y", top);
    this.rect.setAttribute("height", Math.max(0, Math.min(30, y(band.low)) - top));
  }

  extent(band) {
    const values = this.points.map(([, value]) => value);
    const least = (this.notable || 1) * 3;
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (band) [low, high] = [Math.min(low, band.low), Math.max(high, band.high)];
    if (!Number.isFinite(low)) return [0, 1];
    const slack = Math.max(0, least - (high - low)) / 2;
    return [low - slack, high + slack];
  }

  /** The path, with a break at gaps of more than GAP_MS. */
  line(now, y) {
    let last = null;
    return this.points
      .map(([at, value]) => {
        const x = 100 - (100 * (now - at)) / HOUR_MS;
        const step = last === null || at - last > GAP_MS ? "M" : "L";
        last = at;
        return `${step}${x.toFixed(2)} ${y(value).toFixed(2)}`;
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
