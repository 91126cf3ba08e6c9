// Puts a chart to look into (uPlot) in the place of each drawing of the server, from the same numbers.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axis() {
  return { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui", size: 34 };
}

function bars(figure, points) {
  const { bars } = window.uPlot.paths;
  return {
    series: [{}, { label: figure.dataset.label, fill: colour("--bar"), stroke: colour("--bar"), width: 0, paths: bars({ size: [0.76, 40], align: 1 }), points: { show: false } }],
    // The last bar has its width too.
    scales: { x: { range: [points.x[0], points.x.at(-1) + points.step] }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.08)] } },
  };
}

function line(figure, points) {
  const series = [{}, { label: figure.dataset.label, stroke: colour("--accent"), width: 1.6, points: { show: points.x.length < 3 } }];
  if (points.objective) series.push({ label: figure.dataset.objective, stroke: colour("--bad"), width: 1, dash: [5, 4], points: { show: false } });
  const top = points.top ?? null;
  return { series, scales: { y: { range: (_, min, max) => [Math.min(min, points.floor ?? 0), top ?? Math.max(1, max * 1.08)] } } };
}

function draw(figure) {
  const points = JSON.parse(figure.dataset.points);
  if (points.x.length === 0) return;
  const kind = figure.dataset.chart === "bars" ? bars : line;
  const options = kind(figure, points);
  const data = [points.x, points.y];
  if (points.objective) data.push(points.x.map(() => points.objective));
  const drawing = figure.querySelector("svg");
  const holder = document.createElement("div");
  drawing.replaceWith(holder);
  const height = 150;
  const chart = new window.uPlot({
    width: holder.clientWidth, height, ...options, axes: [axis(), { ...axis(), size: 44 }],
    cursor: { drag: { x: true, y: false } }, legend: { live: true },
  }, data, holder);
  new ResizeObserver(() => chart.setSize({ width: holder.clientWidth, height })).observe(holder);
}

export function drawCharts() {
  if (!window.uPlot) return;
  for (const figure of document.querySelectorAll("figure[data-points]")) draw(figure);
}
