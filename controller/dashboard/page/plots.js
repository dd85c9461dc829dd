// Plots over the last ten minutes, each with its table behind a button.
/* global uPlot */
import { figures } from "./figures.js";
import { fill, table, timeOfDay } from "./panels.js";

// Okabe and Ito's colours, which the colour-blind tell apart; dashes begin where they end.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f7f"];
const NODE_PLOTS = [
  { title: "CPU", unit: "%", range: [0, 100], value: figures.cpu },
  { title: "Memory in use", unit: "MiB", value: figures.memory },
  { title: "Network received", unit: "Mbit/s", value: figures.received },
  { title: "Network sent", unit: "Mbit/s", value: figures.sent },
  { title: "Disk read", unit: "MB/s", value: figures.read },
  { title: "Disk written", unit: "MB/s", value: figures.written },
];

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

class Figure {
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
    this.observer = new ResizeObserver(() => this.plot?.setSize({ width: this.place.clientWidth, height: 190 }));
    this.observer.observe(this.place);
  }

  // Series with other names need another plot; the same names only other data.
  update() {
    const series = this.spec.series(this.state);
    const names = series.map((one) => one.name).join("\n");
    const data = aligned(series);
    if (names !== this.names || !this.plot) {
      this.plot?.destroy();
      this.names = names;
      this.plot = this.make(series, data);
    } else {
      this.plot.setData(data);
    }
    if (!this.table.hidden) this.showTable(series, data);
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
      series: [{ label: "time", value: (_, seconds) => (seconds === null ? "–" : clock(seconds)) }, ...series.map((one, index) => ({
        label: one.name,
        stroke: COLOURS[index % COLOURS.length],
        dash: index < COLOURS.length ? undefined : [6, 4],
        width: 1.6,
        points: { show: false },
        value: (_, value) => number(value),
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

function ofNodes(value) {
  return (state) => [...state.chosen].filter((name) => state.nodes.has(name)).map((name) => {
    const { points } = state.nodes.get(name);
    return { name, points: points.map((point, index) => [point[0], value(points, index)]) };
  });
}

function answered(state) {
  const points = state.progress.map((now, index, all) => {
    if (index === 0) return [now.at, null];
    const before = all[Math.max(0, index - 5)];
    const seconds = (now.at - before.at) / 1000;
    return [now.at, seconds > 0 ? (now.done - before.done) / seconds : null];
  });
  return [{ name: "answered", points }];
}

function memoryOf(state) {
  return ["agent", "broker", "workload"].map((name, part) => {
    const sums = new Map();
    for (const node of state.nodes.values()) {
      node.points.forEach((point) => {
        const second = Math.round(point[0] / 1000);
        sums.set(second, (sums.get(second) ?? 0) + point[7][part] / 1048576);
      });
    }
    return { name, points: [...sums].map(([second, value]) => [second * 1000, value]) };
  });
}

export class Plots {
  constructor(state) {
    const nodes = document.getElementById("node-plots");
    const application = document.getElementById("application-plots");
    this.figures = NODE_PLOTS.map((spec) => new Figure(nodes, { ...spec, series: ofNodes(spec.value) }, state));
    this.figures.push(
      new Figure(application, { title: "Answers", unit: "1/s, mean of 5 s", series: answered }, state),
      new Figure(application, { title: "Memory of all agents, brokers, workloads", unit: "MiB", series: memoryOf }, state),
    );
  }

  update() {
    this.figures.forEach((figure) => figure.update());
  }

  remove() {
    this.figures.forEach((figure) => figure.remove());
  }
}
