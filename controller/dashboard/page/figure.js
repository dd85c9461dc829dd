// One plot over the last ten minutes, with its table behind a button.
/* global uPlot */
import { fill, table, timeOfDay } from "./panels.js";

// Okabe and Ito's colours, which the colour-blind tell apart; dashes begin where they end.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f"];
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (value) => (value === null || value === undefined ? "–" : value.toFixed(value < 10 ? 2 : 0));

const clock = (seconds) => timeOfDay(seconds * 1000);

// What a timeline did, as lines through every plot.
function marks(state) {
  return { hooks: { draw: [(plot) => {
    const run = state.status?.run;
    if (!run) return;
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = ink("--bad");
    ctx.setLineDash([4, 4]);
    for (const mark of run.marks) {
      const x = plot.valToPos(mark.time_unix_ns / 1e9, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }] } };
}

export class Figure {
  constructor(parent, spec, state) {
    this.spec = spec;
    this.state = state;
    this.names = "";
    this.element = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const title = `${spec.title} (${spec.unit})`;
    const button = document.createElement("button");
    button.textContent = "Table";
    button.setAttribute("aria-expanded", "false");
    caption.append(title, button);
    this.place = document.createElement("div");
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", `${title} over the last ten minutes; its table is behind the button`);
    this.table = document.createElement("div");
    this.table.className = "scroll short";
    this.table.hidden = true;
    button.addEventListener("click", () => {
      this.table.hidden = !this.table.hidden;
      button.setAttribute("aria-expanded", String(!this.table.hidden));
      this.update();
    });
    this.element.append(caption, this.place, this.table);
    parent.append(this.element);
    // Hidden it has no width, and gets another one before it is shown again.
    this.observer = new ResizeObserver(() => {
      if (this.place.clientWidth > 0) this.plot?.setSize({ width: this.place.clientWidth, height: 190 });
    });
    this.observer.observe(this.place);
  }

  // Series with other names need another plot; the same names only other data. No series at all: it is not about this run.
  update() {
    const series = this.spec.series(this.state);
    this.element.hidden = series === null;
    if (series === null) return;
    const names = series.map((one) => one.name).join("\n");
    this.data = aligned(series);
    const data = this.spec.isStacked ? stacked(this.data) : this.data;
    if (names !== this.names || !this.plot) {
      this.plot?.destroy();
      this.names = names;
      this.plot = this.make(series, data);
    } else {
      this.plot.setData(data);
    }
    if (!this.table.hidden) this.showTable(series, this.data);
  }

  make(series, data) {
    const axis = { stroke: ink("--quiet"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line") } };
    return new uPlot({
      width: this.place.clientWidth || 320,
      height: 190,
      cursor: { drag: { x: false, y: false } },
      plugins: [marks(this.state)],
      scales: { x: { range: () => this.window() }, y: { range: (_, low, high) => this.spec.range ?? [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [{ ...axis, space: 80, values: (_, splits) => splits.map(clock) }, { ...axis, size: 55 }],
      bands: this.spec.isStacked ? series.slice(1).map((_, index) => ({ series: [index + 2, index + 1], fill: pale(index + 1) })) : [],
      series: [{ label: "time", value: (_, seconds) => (seconds === null ? "–" : clock(seconds)) }, ...series.map((one, index) => ({
        label: one.name,
        stroke: COLOURS[index % COLOURS.length],
        dash: index < COLOURS.length ? undefined : [6, 4],
        width: 1.6,
        points: { show: false },
        fill: this.spec.isStacked && index === 0 ? pale(0) : undefined,
        // Of a stack each layer by itself.
        value: (_, value, column, row) => number(row === null ? null : this.data[column][row]),
      }))],
    }, data, this.place);
  }

  // All that there is of the last ten minutes, and a minute at least.
  window() {
    const now = this.state.now / 1000;
    const oldest = Math.min(...[...this.state.nodes.values()].filter((node) => node.points.length > 0).map((node) => node.points[0][0] / 1000));
    return [Math.min(oldest, now - 60), now];
  }

  showTable(series, data) {
    const rows = data[0].map((at, index) => [clock(at), ...series.map((_, s) => number(data[s + 1][index]))]);
    fill(this.table, table(["time", ...series.map((one) => one.name)], rows.reverse().slice(0, 120)));
  }

  remove() {
    this.observer.disconnect();
    this.plot?.destroy();
    this.element.remove();
  }
}

// One axis for all: nodes measure at their own moments, which are brought to whole seconds.
function aligned(series) {
  const seconds = new Set();
  const columns = series.map((one) => {
    const column = new Map();
    one.points.forEach(([ms, value]) => {
      const second = Math.round(ms / 1000);
      seconds.add(second);
      column.set(second, value);
    });
    return column;
  });
  const axis = [...seconds].sort((a, b) => a - b);
  return [axis, ...columns.map((column) => axis.map((second) => column.get(second) ?? null))];
}

const pale = (index) => `${COLOURS[index % COLOURS.length]}55`;

// Each on top of those before it.
function stacked([axis, ...columns]) {
  const sums = axis.map(() => 0);
  return [axis, ...columns.map((column) => column.map((value, row) => {
    if (value === null) return null;
    sums[row] += value;
    return sums[row];
  }))];
}
