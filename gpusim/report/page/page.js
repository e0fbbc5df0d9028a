"use strict";
// Zoom of the timeline: drag over a stretch, double-click to see everything again.
for (const chart of document.querySelectorAll(".zoomable")) {
  const SVG = "http://www.w3.org/2000/svg";
  const plot = chart.querySelector(".zoomed");
  const axis = chart.querySelector(".axis");
  const left = Number(chart.dataset.left);
  const width = Number(chart.dataset.width);
  const bottom = Number(chart.dataset.bottom);
  const total = Number(chart.dataset.totalPs);
  const units = [[1e12, "s"], [1e9, "ms"], [1e6, "µs"], [1e3, "ns"], [1, "ps"]];
  let from = 0;
  let to = width;
  let start = null;
  let box = null;

  const element = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const where = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY);
    const x = point.matrixTransform(chart.getScreenCTM().inverse()).x - left;
    return Math.min(Math.max(x, 0), width);
  };
  const draw = () => {
    plot.setAttribute("viewBox", `${from} 0 ${to - from} ${bottom}`);
    const begin = (from / width) * total;
    const end = (to / width) * total;
    const raw = (end - begin) / 8;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = Math.max(1, [1, 2, 5, 10].find((m) => m * power >= raw * 0.999) * power);
    const [size, unit] = units.find(([size]) => step * 2 >= size) || units[4];
    const decimals = Math.max(0, Math.ceil(-Math.log10(step / size) - 1e-9));
    axis.replaceChildren();
    for (let k = Math.ceil(begin / step); k * step <= end; k += 1) {
      const x = left + ((k * step - begin) / (end - begin)) * width;
      const label = element("text", { x, y: bottom + 18, class: "ticks" });
      label.textContent = k === 0 ? "0" : `${((k * step) / size).toFixed(decimals)} ${unit}`;
      axis.append(element("line", { x1: x, x2: x, y1: bottom, y2: bottom + 5, class: "tick" }), label);
    }
  };
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = where(event);
    box = element("rect", { x: left + start, y: 0, width: 0, height: bottom, class: "selection" });
    chart.append(box);
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = where(event);
    box.setAttribute("x", left + Math.min(start, now));
    box.setAttribute("width", Math.abs(now - start));
  });
  chart.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [a, b] = [start, where(event)].sort((p, q) => p - q);
    box.remove();
    start = null;
    if (b - a < 3) return;
    const span = to - from;
    [from, to] = [from + (a / width) * span, from + (b / width) * span];
    draw();
  });
  chart.addEventListener("pointercancel", () => {
    if (box) box.remove();
    start = null;
  });
  chart.addEventListener("dblclick", () => {
    [from, to] = [0, width];
    draw();
  });
}
