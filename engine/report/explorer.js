// Lets a reader look at single runs: panels that share the time axis, a cursor, the arms shown and the runs pinned.
"use strict";

const point = (time, near) => {
  Object.assign(state, { time, near });
  redraw(true);
  say();
};
const zoom = (from, to) => {
  const least = (whole.to - whole.from) / 1000;
  from = clamp(from, whole.from, whole.to - least);
  to = clamp(to, from + least, whole.to);
  Object.assign(state, { from, to });
  redraw();
};
const pin = () => {
  const run = state.near?.run ?? null;
  if (run === null) return;
  state.pinned = state.pinned.includes(run)
    ? state.pinned.filter((one) => one !== run)
    : [...state.pinned, run].slice(-MOST_PINNED);
  listPinned();
  redraw(true);
};

let isWaiting = null;
const redraw = (isOverlayOnly = false) => {
  if (isWaiting !== null) {
    isWaiting = isWaiting && isOverlayOnly;
    return;
  }
  isWaiting = isOverlayOnly;
  requestAnimationFrame(() => {
    const isLight = isWaiting;
    isWaiting = null;
    for (const panel of panels) isLight ? panel.drawOverlay() : panel.draw();
  });
};

// What is under the pointer, in words.
const say = () => {
  const { near, time } = state;
  const words = [];
  const show = () => readouts.forEach((readout) => (readout.textContent = words.join(" · ")));
  if (time === null) return show();
  if (near !== null) words.push(arms[near.arm].name);
  if (near !== null && near.run !== null) words.push(runs.name[near.run]);
  words.push(`${timeWord} ${write(time)}`);
  if (near !== null) {
    for (const { name, curves } of panels.filter(({ own }) => own === null)) {
      const curve = curves.find((one) => isSame(one, near));
      const value = curve ? valueAt(curve, time) : NaN;
      if (Number.isFinite(value)) words.push(`${name} ${write(value)}`);
    }
    if (near.run !== null) {
      const onset = runs.onset[near.run];
      words.push(
        runs.status[near.run] + (onset === null ? "" : `, ${arms[near.arm].event} at ${timeWord} ${write(onset)}`),
      );
    }
  }
  show();
};

const FIELDS = [
  ["arm", (run) => arms[runs.arm[run]].name],
  ["run", (run) => runs.name[run]],
  ["status", (run) => runs.status[run]],
  [
    `${arms[0].event}, ${data.unit}`,
    (run) => {
      const bounds = [runs.onset_lower[run], runs.onset_upper[run]];
      return write(runs.onset[run]) + (bounds.includes(null) ? "" : ` (${bounds.map(write).join("–")})`);
    },
  ],
  [`width of the rise, ${data.unit}`, (run) => write(runs.width[run])],
  ["suddenness", (run) => write(runs.suddenness[run])],
  ["rises", (run) => write(runs.num_breaks[run])],
  ["end loss", (run) => write(runs.end_loss[run])],
  ["end accuracy", (run) => write(runs.end_accuracy[run])],
  ["held out", (run) => write(runs.end_held_out_accuracy[run])],
  ["end metric", (run) => write(runs.end_metric[run])],
  ["metric, held out", (run) => write(runs.end_held_out_metric[run])],
  [`ran for, ${data.unit}`, (run) => write(runs.end[run])],
];
const listPinned = () => {
  pinned.hidden = !state.pinned.length;
  pinned.replaceChildren();
  const table = make("table", pinned);
  make("caption", table, {}, "Pinned runs");
  const fields = FIELDS.filter(([, get]) => state.pinned.some((run) => get(run) !== "–"));
  const head = make("tr", make("thead", table));
  for (const [title] of fields) make("th", head, { scope: "col" }, title);
  make("td", head);
  const body = make("tbody", table);
  for (const run of state.pinned) {
    const row = make("tr", body);
    for (const [, get] of fields) make("td", row, {}, get(run));
    const button = make("button", make("td", row), { type: "button", "aria-label": `Unpin ${runs.name[run]}` }, "×");
    button.addEventListener("click", () => {
      state.pinned = state.pinned.filter((one) => one !== run);
      listPinned();
      redraw(true);
    });
  }
};

const addControls = () => {
  const box = make("div", host, { class: "controls" });
  const button = (words, action) => make("button", box, { type: "button" }, words).addEventListener("click", action);
  const label = make("label", box);
  const log = make("input", label, { type: "checkbox" });
  label.append(" log scale");
  log.addEventListener("change", () => {
    state.isLog = log.checked;
    redraw();
  });
  const middle = () => state.time ?? (state.from + state.to) / 2;
  const resize = (factor) =>
    zoom(middle() - (factor * (state.to - state.from)) / 2, middle() + (factor * (state.to - state.from)) / 2);
  button("zoom in", () => resize(0.5));
  button("zoom out", () => resize(2));
  button(`all ${data.unit}`, () => zoom(whole.from, whole.to));
  const choices = make("div", host, { class: "controls", role: "group", "aria-label": "Arms" });
  arms.forEach((arm, i) => {
    const choice = make("label", choices);
    const input = make("input", choice, { type: "checkbox" });
    input.checked = true;
    make("span", choice, { class: "swatch" }).style.background = arm.colour;
    choice.append(arm.runs < arm.of ? `${arm.name} (the first ${arm.runs} of ${arm.of} runs)` : arm.name);
    input.addEventListener("change", () => {
      if (input.checked) state.shown.add(i);
      else state.shown.delete(i);
      redraw();
    });
  });
};

addControls();
const grid = make("div", host, { class: "panels" });
const readouts = [make("output", host, { class: "readout", "aria-live": "polite" })];
const pinned = make("div", host, { class: "scroll" });
pinned.hidden = true;
make(
  "p",
  host,
  { class: "soft", id: "explorer-keys" },
  "Point at a curve to see which run it is, click to keep it, drag across to zoom in on a time. With the keyboard: left and right move the " +
    "time, up and down choose a run, Enter keeps it, + and − zoom, Escape shows everything.",
);
for (const content of [...unpackCurves(), shareThatLeft()]) panels.push(new Panel(grid, content));

// The figure that the page begins with: the same curves, of the arms in it.
const first = document.querySelector("figure[data-arms]");
if (first) {
  const box = make("div", first, { class: "explored" });
  const own = first.dataset.arms.split(",").map(Number);
  const legend = make("p", box, { class: "legend" });
  for (const arm of own) {
    make("span", legend, { class: "swatch" }).style.background = arms[arm].colour;
    legend.append(`${arms[arm].name} `);
  }
  panels.push(new Panel(box, panels[0], own));
  readouts.push(make("output", box, { class: "readout", "aria-live": "off" }));
}

document.documentElement.classList.add("is-explored");
host.hidden = false;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
