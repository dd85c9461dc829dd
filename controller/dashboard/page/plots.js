// Which plots there are, and what of each node they show.
import { applicationPlots } from "./application.js";
import { Figure } from "./figure.js";
import { functionPlots } from "./functions.js";
import { figures } from "./figures.js";

const NODE_PLOTS = [
  { title: "CPU", unit: "%", range: [0, 100], value: figures.cpu },
  { title: "Memory in use", unit: "MiB", value: figures.memory },
  { title: "Network received", unit: "Mbit/s", value: figures.received },
  { title: "Network sent", unit: "Mbit/s", value: figures.sent },
  { title: "Disk read", unit: "MB/s", value: figures.read },
  { title: "Disk written", unit: "MB/s", value: figures.written },
];

function ofNodes(value) {
  return (state) => [...state.chosen].filter((name) => state.nodes.has(name)).map((name) => {
    const { points } = state.nodes.get(name);
    return { name, points: points.map((point, index) => [point[0], value(points, index)]) };
  });
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
    const memory = { title: "Memory of all agents, brokers, workloads", unit: "MiB", series: memoryOf };
    this.figures.push(...[...applicationPlots, memory].map((spec) => new Figure(application, spec, state)));
    const functions = document.getElementById("function-plots");
    this.figures.push(...functionPlots.map((spec) => new Figure(functions, spec, state)));
  }

  update() {
    this.figures.forEach((figure) => figure.update());
  }

  remove() {
    this.figures.forEach((figure) => figure.remove());
  }
}
