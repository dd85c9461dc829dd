// How the inputs of a run fare: by the samples of endpoints where they write them as they come, else by what was counted.
import { element, fill } from "./panels.js";

// A name and what of a point it is; nothing while no samples are known.
const ofPoints = (lines) => ({ application }) => (application === null ? null
  : lines.map(([name, value]) => ({ name, points: application.points.map((point) => [point.time_unix_ms, value(point)]) })));

const stages = (state) => {
  const names = state.application?.stages ?? [];
  if (names.length === 0) return null;
  const split = ofPoints(names.map((name, index) => [name.replace(/^\d_/, "").replaceAll("_", " "), (point) => point.stages_ms[index]]));
  return split(state);
};

function answered(state) {
  if (state.application !== null) return null;
  const points = state.progress.map((now, index, all) => {
    if (index === 0) return [now.at, null];
    const before = all[Math.max(0, index - 5)];
    const seconds = (now.at - before.at) / 1000;
    return [now.at, seconds > 0 ? (now.done - before.done) / seconds : null];
  });
  return [{ name: "answered", points }];
}

export const applicationPlots = [
  {
    title: "Latency from when a photo was due",
    unit: "ms: p50 of 10 s, p95 of the last 200 answers, p99 of the last 1000",
    series: ofPoints([["p50", (point) => point.p50_ms], ["p95", (point) => point.p95_ms], ["p99", (point) => point.p99_ms]]),
  },
  { title: "Where the time went", unit: "ms, mean", isStacked: true, series: stages },
  {
    title: "Sent and answered",
    unit: "1/s",
    series: ofPoints([["sent", (point) => point.sent_per_s], ["answered", (point) => point.answered_per_s]]),
  },
  { title: "Sent and not answered yet", unit: "photos", series: ofPoints([["waiting", (point) => point.waiting]]) },
  { title: "Answers", unit: "1/s, mean of 5 s", series: answered },
];

export function applicationWords({ application }) {
  const words = [];
  if (application !== null) {
    const { sent, answered, lost } = application;
    words.push(`${sent} sent`, `${answered} answered`);
    if (lost === null) words.push(`${sent - answered} not answered yet`, "lost: known at the end");
    else words.push(`${lost} lost`);
    if (application.clock_error_ms > 0) words.push(`uplink and downlink are known to ± ${application.clock_error_ms.toFixed(2)} ms`);
  }
  const trouble = application?.trouble ?? [];
  fill(document.getElementById("application-words"), words.join(" · "), ...trouble.map((why) => element("span", ` ${why}`, { class: "trouble" })));
}
