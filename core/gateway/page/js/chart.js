/** An entity's values over time, with its events, its baseline, and the levels at which the next event fires. */

const LIBRARY = new URL("../vendor/uplot/uPlot.iife.min.js", import.meta.url);
const STYLES = new URL("../vendor/uplot/uPlot.min.css", import.meta.url);
const HEIGHT = 300;
const MOST_POINTS = 2000;

let library = null;

/** Fetched when the first chart is drawn, and not by who looks at lists only. */
function load() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLES }));
    const script = Object.assign(document.createElement("script"), { src: LIBRARY });
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = () => {
      library = null;
      reject(new Error("The chart could not be loaded."));
    };
    document.head.append(script);
  });
  return library;
}

/**
 * @typedef {{value: number, label: string, tone: string}} Level
 * @typedef {{at: number, value: number, severity: string}} Mark
 */
export class Chart {
  #place;
  #readout;
  #plot = null;
  #times = [];
  #values = [];
  /** @type {Level[]} */
  #levels = [];
  /** @type {Mark[]} */
  #marks = [];
  #colours = {};
  #watch;
  #isHistory = false;

  /** @param {HTMLElement} place @param {(moment: number|null, value: number|null) => void} readout what the pointer is at */
  constructor(place, readout) {
    this.#place = place;
    this.#readout = readout;
    this.#watch = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    this.#watch.observe(place);
  }

  /** @param {{series: [number, number][], levels: Level[], marks: Mark[], isHistory: boolean}} content times in milliseconds */
  async show({ series, levels, marks, isHistory }) {
    const UPlot = await load();
    if (!this.#place.isConnected) return;
    this.#times = series.map(([at]) => at / 1000);
    this.#values = series.map(([, value]) => value);
    this.#levels = levels;
    this.#marks = marks;
    this.#isHistory = isHistory;
    this.#plot?.destroy();
    this.#colours = coloursOf(this.#place);
    this.#plot = new UPlot(this.#options(UPlot), [this.#times, this.#values], this.#place);
  }

  /** @param {Mark} mark a live event */
  add(mark) {
    if (!this.#plot) return;
    const place = placeOf(mark.at / 1000, this.#times);
    this.#times.splice(place, 0, mark.at / 1000);
    this.#values.splice(place, 0, mark.value);
    this.#marks.push(mark);
    const tooMany = this.#times.length - MOST_POINTS;
    if (tooMany > 0) for (const list of [this.#times, this.#values]) list.splice(0, tooMany);
    if (this.#marks.length > MOST_POINTS) this.#marks.shift();
    this.#plot.setData([this.#times, this.#values]);
  }

  /** @param {Level[]} levels */
  setLevels(levels) {
    this.#levels = levels;
    this.#plot?.setData([this.#times, this.#values]);
  }

  recolour() {
    this.#colours = coloursOf(this.#place);
    this.#plot?.redraw(false);
  }

  remove() {
    this.#watch.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #size() {
    return { width: Math.max(200, this.#place.clientWidth), height: HEIGHT };
  }

  #options(UPlot) {
    const colour = (name) => () => this.#colours[name];
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, font: "12px system-ui" };
    const step = this.#isHistory ? UPlot.paths.linear() : UPlot.paths.stepped({ align: 1 });
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      scales: { x: { range: (_, first, last) => spanOf(first, last, this.#times) }, y: { range: (_, low, high) => this.#range(low, high) } },
      axes: [
        { ...axis, size: 32, values: (_, splits) => splits.map(clockText(splits)) },
        { ...axis, size: 72, values: (_, splits) => splits.map(axisText) },
      ],
      series: [{}, { stroke: colour("accent"), width: 1.6, paths: step, points: { show: this.#times.length < 2, size: 5 } }],
      hooks: { draw: [(plot) => this.#drawOver(plot)], setCursor: [(plot) => this.#tell(plot.cursor.idx)] },
    };
  }

  /** Levels that are near enough are in the picture; one at a thousandfold would flatten all else. */
  #range(low, high) {
    if (low === null || high === null) [low, high] = [this.#values[0] ?? 0, this.#values[0] ?? 1];
    const reach = Math.max(4 * (high - low), Math.abs(high) * 0.03, 1e-12);
    for (const { value } of this.#levels) {
      if (value >= low - reach && value <= high + reach) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    const edge = Math.max((high - low) * 0.08, Math.abs(high) * 1e-6, 1e-12);
    return [low - edge, high + edge];
  }

  #drawOver(plot) {
    const { ctx: pen, bbox } = plot;
    const ratio = devicePixelRatio;
    pen.save();
    pen.beginPath();
    pen.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    pen.clip();
    pen.lineWidth = ratio;
    pen.font = `${11 * ratio}px system-ui`;
    pen.textAlign = "left";
    pen.textBaseline = "alphabetic";
    for (const { value, label, tone } of this.#levels) {
      const y = plot.valToPos(value, "y", true);
      pen.strokeStyle = pen.fillStyle = this.#colours[tone];
      pen.setLineDash(tone === "quiet" ? [] : [5 * ratio, 4 * ratio]);
      pen.beginPath();
      pen.moveTo(bbox.left, y);
      pen.lineTo(bbox.left + bbox.width, y);
      pen.stroke();
      pen.fillText(label, bbox.left + 6 * ratio, y - 4 * ratio);
    }
    pen.setLineDash([]);
    for (const { at, value, severity } of this.#marks) {
      pen.fillStyle = this.#colours[severity] ?? this.#colours.accent;
      pen.beginPath();
      pen.arc(plot.valToPos(at / 1000, "x", true), plot.valToPos(value, "y", true), 3 * ratio, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.restore();
  }

  #tell(place) {
    if (place === null || place === undefined) this.#readout(null, null);
    else this.#readout(this.#times[place] * 1000, this.#values[place]);
  }
}

/** With a margin, as marks are wider than their moments; a single moment gets two minutes. */
function spanOf(first, last, times) {
  if (times.length < 2) return [(times[0] ?? 0) - 60, (times[0] ?? 0) + 60];
  const margin = (last - first) * 0.02;
  return [first - margin, last + margin];
}

/** Behind all that are not later: an event of a late transaction has its place among those of before. */
function placeOf(at, times) {
  let place = times.length;
  while (place > 0 && times[place - 1] > at) place -= 1;
  return place;
}

/** The page's own colours, as canvas knows no variables of CSS. */
function coloursOf(element) {
  const colours = {};
  const probe = document.createElement("span");
  element.append(probe);
  for (const name of ["accent", "quiet", "line", "up", "down", "info", "warning", "critical"]) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

function clockText(splits) {
  const reach = (splits.at(-1) ?? 0) - (splits[0] ?? 0);
  const day = { day: "numeric", month: "short" };
  const clock = { hour: "2-digit", minute: "2-digit" };
  const format = new Intl.DateTimeFormat("en-GB", reach < 600 ? { ...clock, second: "2-digit" } : reach < 86_400 ? clock : reach < 7 * 86_400 ? { ...day, ...clock } : day);
  return (at) => format.format(at * 1000);
}

function axisText(value) {
  const size = Math.abs(value);
  for (const [least, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"]]) {
    if (size >= least) return `${Number((value / least).toPrecision(6))} ${unit}`;
  }
  return size > 0 && size < 1e-4 ? value.toExponential(3) : String(Number(value.toPrecision(7)));
}
