// A sample as the server sends it: [ms, cpu %, memory, received, sent, read, written, [agent, broker, workload, all memory]].
const rate = (points, index, column) => {
  if (index === 0) return null;
  const seconds = (points[index][0] - points[index - 1][0]) / 1000;
  const bytes = points[index][column] - points[index - 1][column];
  // A node that was started again counts from 0.
  return seconds > 0 && bytes >= 0 ? bytes / seconds : null;
};
const scaled = (value, factor) => (value === null ? null : value * factor);

export const figures = {
  cpu: (points, i) => points[i][1],
  memory: (points, i) => points[i][2] / 1048576,
  received: (points, i) => scaled(rate(points, i, 3), 8e-6),
  sent: (points, i) => scaled(rate(points, i, 4), 8e-6),
  read: (points, i) => scaled(rate(points, i, 5), 1e-6),
  written: (points, i) => scaled(rate(points, i, 6), 1e-6),
};
