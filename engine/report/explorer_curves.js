// What the page holds of single runs, unpacked; values and ticks of an axis. The scripts share their names.
"use strict";

const source = document.getElementById("explorer-data");
const host = document.getElementById("explorer");
const data = JSON.parse(source.textContent);
const { arms, runs } = data;
const MARGIN = { left: 46, right: 10, top: 8, bottom: 38 };
const REACH = 40; // pixels from the pointer within which a curve is taken to be meant
const MOST_PINNED = 8;
const timeWord = data.unit.replace(/s$/, "");
const whole = { from: 0, to: Math.max(...arms.map((arm) => arm.end)) };
const state = { shown: new Set(arms.keys()), isLog: false, ...whole, time: null, near: null, pinned: [] };
const panels = [];

const decode = (text) => new Float32Array(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const make = (tag, parent, attributes = {}, text = "") => {
  const element = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};
const write = (value) => {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(+value.toPrecision(4));
  return text.replace("-", "−");
};
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Index of the last point at or before a time, -1 before the first.
const pointAt = (curve, time) => {
  let low = -1;
  let high = curve.x.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (curve.x[middle] <= time) low = middle;
    else high = middle;
  }
  return low;
};
const valueAt = (curve, time) => {
  const last = curve.x.length - 1;
  const i = pointAt(curve, time);
  if (i < 0 || time > curve.x[last]) return NaN;
  if (i === last || curve.isStep) return curve.y[i];
  const share = (time - curve.x[i]) / (curve.x[i + 1] - curve.x[i]);
  return curve.y[i] + share * (curve.y[i + 1] - curve.y[i]);
};

// Whether two curves, perhaps of two panels, are of the same run, or of the same arm where they are of no single run.
const isSame = (one, other) => (one.run === null ? other.run === null && one.arm === other.arm : one.run === other.run);

const unpackCurves = () => {
  const grids = data.grids.map(decode);
  const scaled = new Map();
  const times = (grid, unit) => {
    const key = `${grid} ${unit}`;
    if (!scaled.has(key))
      scaled.set(
        key,
        grids[grid].map((step) => step / unit),
      );
    return scaled.get(key);
  };
  const places = new Map();
  const place = runs.arm.map((arm) => places.set(arm, (places.get(arm) ?? -1) + 1).get(arm));
  return data.panels.map(({ name, scale, curves }) => {
    const values = decode(curves.values);
    let begin = 0;
    const own = curves.run.map((run, i) => {
      const arm = runs.arm[run];
      const x = times(curves.grid[i], arms[arm].stepsPerUnit).subarray(0, curves.points[i]);
      const y = values.subarray(begin, (begin += curves.points[i]));
      return { run, arm, x, y };
    });
    // The arms take turns, so that none lies on top of all others.
    own.sort((one, other) => place[one.run] - place[other.run]);
    return { name, scale, curves: own };
  });
};
const shareThatLeft = () => ({
  name: arms[0].event === "onset" ? "share that left chance level" : "share that had the event",
  scale: "share",
  curves: arms.map(({ left, end }, arm) => ({
    run: null,
    arm,
    isStep: true,
    x: [...left.x, end],
    y: [...left.y, left.y[left.y.length - 1]],
  })),
});

// Round numbers that divide an axis into about so many parts.
const ticksOf = (low, high, parts) => {
  const rough = (high - low) / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    found.push(+(i * step).toPrecision(12));
  return found;
};
const logTicksOf = (low, high) => {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const factor of Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5])
      found.push(+(factor * 10 ** power).toPrecision(3));
  }
  const inside = found.filter((value) => value >= low && value <= high);
  if (inside.length < 2) return ticksOf(low, high, 4);
  const stride = Math.ceil(inside.length / 9);
  return inside.filter((_, i) => i % stride === 0);
};
