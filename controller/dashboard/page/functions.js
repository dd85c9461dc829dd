// Functions of a gateway, over time and now.
import { fill, table } from "./panels.js";

const byId = (id) => document.getElementById(id);
const mib = (bytes) => (bytes === null ? null : bytes / 1048576);

const ofFunctions = (value) => ({ functions }) => (functions.size === 0 ? null
  : [...functions].map(([name, points]) => ({ name, points: points.map((point) => [point.time_unix_ms, value(point)]) })));

// A line for each status that a function has answered with.
function calls({ functions }) {
  const lines = [...functions].flatMap(([name, points]) => {
    const codes = new Set(points.flatMap((point) => Object.keys(point.calls_per_s)));
    return [...codes].sort().map((code) => ({
      name: `${name} ${code}`,
      points: points.map((point) => [point.time_unix_ms, point.calls_per_s[code] ?? null]),
    }));
  });
  return lines.length > 0 ? lines : null;
}

export const functionPlots = [
  { title: "Calls by status", unit: "1/s", series: calls },
  { title: "Mean execution time", unit: "ms, of 5 s", series: ofFunctions((point) => point.mean_ms) },
  { title: "p95 of execution times", unit: "ms, by the gateway's buckets", series: ofFunctions((point) => point.p95_ms) },
  { title: "CPU of functions", unit: "cores", series: ofFunctions((point) => point.cpu_cores) },
  { title: "Memory of functions", unit: "MiB", series: ofFunctions((point) => mib(point.memory_bytes)) },
  { title: "Replicas that take calls", unit: "replicas", series: ofFunctions((point) => point.available) },
  { title: "Calls in flight", unit: "calls", series: ofFunctions((point) => point.in_flight) },
  { title: "Cold starts", unit: "since the gateway started", series: ofFunctions((point) => point.cold_starts) },
];

const number = (value, decimals, unit) => (value === null || value === undefined ? "–" : `${value.toFixed(decimals)}${unit}`);

export function functions({ functions }) {
  byId("section-functions").hidden = functions.size === 0;
  const rows = [...functions].map(([name, points]) => {
    const now = points[points.length - 1];
    const rates = Object.entries(now.calls_per_s).map(([code, rate]) => `${code}: ${rate.toFixed(2)}`);
    return [
      name,
      `${now.available} of ${now.replicas}`,
      number(now.cpu_cores, 2, ""),
      number(mib(now.memory_bytes), 0, " MiB"),
      rates.join(", ") || "–",
      `${now.in_flight}`,
      `${now.cold_starts}`,
      number(now.mean_ms, 0, " ms"),
      number(now.p95_ms, 0, " ms"),
    ];
  });
  const columns = ["function", "replicas", "cores", "memory", "calls per second by status", "in flight", "cold starts", "mean", "p95"];
  if (rows.length > 0) fill(byId("functions"), table(columns, rows));
}
