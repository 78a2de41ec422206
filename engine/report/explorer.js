// Lets a reader look at single runs: panels that share the time axis, a cursor, the arms shown and the runs pinned.
(() => {
  "use strict";
  const source = document.getElementById("explorer-data");
  const host = document.getElementById("explorer");
  if (!source || !host) return;

  const data = JSON.parse(source.textContent);
  const { arms, runs } = data;
  const MARGIN = { left: 46, right: 10, top: 8, bottom: 38 };
  const REACH = 40; // pixels from the pointer within which a curve is taken to be meant
  const MOST_PINNED = 8;
  const timeWord = data.unit.replace(/s$/, "");
  const ends = arms.map((arm) => arm.end);
  const whole = { from: 0, to: Math.max(...ends) };
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

  const unpackCurves = () => {
    const grids = data.grids.map(decode);
    const scaled = new Map();
    const times = (grid, unit) => {
      const key = `${grid} ${unit}`;
      if (!scaled.has(key)) scaled.set(key, grids[grid].map((step) => step / unit));
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
    name: "share that left chance level",
    scale: "share",
    curves: arms.map(({ left, end }, arm) => ({
      run: null, arm, isStep: true, x: [...left.x, end], y: [...left.y, left.y[left.y.length - 1]],
    })),
  });

  // Round numbers that divide an axis into about so many parts.
  const ticksOf = (low, high, parts) => {
    const rough = (high - low) / parts;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(+(i * step).toPrecision(12));
    return found;
  };
  const logTicksOf = (low, high) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5]) found.push(+(factor * 10 ** power).toPrecision(3));
    }
    return found.filter((value) => value >= low && value <= high);
  };

  class Panel {
    constructor(parent, { name, scale, curves }, own = null) {
      Object.assign(this, { name, scale, curves, own });
      const figure = own === null ? make("figure", parent, { class: "panel" }) : parent;
      if (own === null) make("figcaption", figure, {}, name);
      this.plot = make("div", figure, {
        tabindex: "0", role: "application", "aria-describedby": "explorer-keys",
        "aria-label": `${name} against the ${timeWord}, one line per ${curves[0].isStep ? "arm" : "run"}`,
      });
      this.base = make("canvas", this.plot);
      this.overlay = make("canvas", this.plot);
      this.listen();
      new ResizeObserver(() => this.resize()).observe(this.plot);
    }

    visible() {
      return this.curves.filter((curve) => (this.own ? this.own.includes(curve.arm) : state.shown.has(curve.arm)));
    }

    resize() {
      this.width = this.plot.clientWidth;
      this.height = this.plot.clientHeight;
      const ratio = window.devicePixelRatio || 1;
      for (const canvas of [this.base, this.overlay]) {
        canvas.width = Math.round(this.width * ratio);
        canvas.height = Math.round(this.height * ratio);
        canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
      }
      this.draw();
    }

    // The range of the values shown; a loss that shoots up does not press the others together.
    range() {
      if (this.scale === "share" && !this.isLog()) return [0, 1.02];
      const shown = this.visible();
      let top = Math.max(0, ...shown.map(({ arm }) => arms[arm].chance || 0));
      const starts = shown.map(({ y }) => y[0]).filter(Number.isFinite).sort((a, b) => a - b);
      if (this.scale === "share") top = 1;
      else if (starts.length) top = Math.max(top, starts[starts.length >> 1]) * 1.12;
      if (!this.isLog() && state.from === whole.from && state.to === whole.to) return [0, top || 1];
      let low = Infinity;
      let high = -Infinity;
      for (const curve of shown) {
        const last = Math.min(pointAt(curve, state.to) + 1, curve.x.length - 1);
        for (let i = Math.max(pointAt(curve, state.from), 0); i <= last; i++) {
          const value = curve.y[i];
          if (value <= top && (!this.isLog() || value > 0)) {
            low = Math.min(low, value);
            high = Math.max(high, value);
          }
        }
      }
      if (!(low < high)) return this.isLog() ? [(top || 1) / 10, top || 1] : [0, top || 1];
      if (this.isLog()) return [low / 1.1, Math.min(high, top) * 1.1];
      const room = 0.06 * (high - low);
      return [low - room, high + room];
    }

    isLog() {
      return state.isLog && !this.curves[0].isStep;
    }

    toX(time) {
      const width = this.width - MARGIN.left - MARGIN.right;
      return MARGIN.left + ((time - state.from) / (state.to - state.from)) * width;
    }

    toTime(x) {
      const width = this.width - MARGIN.left - MARGIN.right;
      return clamp(state.from + ((x - MARGIN.left) / width) * (state.to - state.from), state.from, state.to);
    }

    toY(value) {
      const [low, high] = this.limits;
      const height = this.height - MARGIN.top - MARGIN.bottom;
      const share = this.isLog() ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return MARGIN.top + height * (1 - clamp(share, -1, 2));
    }

    trace(context, curve) {
      const first = Math.max(pointAt(curve, state.from), 0);
      const last = Math.min(pointAt(curve, state.to) + 1, curve.x.length - 1);
      let isDown = false;
      context.beginPath();
      for (let i = first; i <= last; i++) {
        const value = curve.y[i];
        if (!Number.isFinite(value) || (this.isLog() && value <= 0)) {
          isDown = false;
          continue;
        }
        const x = this.toX(curve.x[i]);
        const y = this.toY(value);
        if (isDown && curve.isStep) context.lineTo(x, this.toY(curve.y[i - 1]));
        if (isDown) context.lineTo(x, y);
        else context.moveTo(x, y);
        isDown = true;
      }
      context.stroke();
    }

    clip(context) {
      context.beginPath();
      context.rect(MARGIN.left, MARGIN.top - 3, this.width - MARGIN.left - MARGIN.right, this.height - MARGIN.top - MARGIN.bottom + 6);
      context.clip();
    }

    draw() {
      if (!this.width) return;
      this.limits = this.range();
      const context = this.base.getContext("2d");
      context.clearRect(0, 0, this.width, this.height);
      this.drawAxes(context);
      context.save();
      this.clip(context);
      const shown = this.visible();
      if (this.scale === "loss") this.drawChance(context, shown);
      context.lineWidth = this.curves[0].isStep ? 1.8 : 1;
      context.globalAlpha = this.curves[0].isStep ? 1 : clamp(12 / Math.sqrt(shown.length + 1), 0.2, 0.75);
      for (const curve of shown) {
        context.strokeStyle = arms[curve.arm].colour;
        this.trace(context, curve);
      }
      context.globalAlpha = 1;
      if (shown.length <= 400) for (const curve of shown) this.drawOnset(context, curve, 2.2);
      context.restore();
      this.drawOverlay();
    }

    drawAxes(context) {
      const right = this.width - MARGIN.right;
      const bottom = this.height - MARGIN.bottom;
      context.font = "11px system-ui, sans-serif";
      context.fillStyle = style("--soft");
      context.strokeStyle = style("--line");
      context.lineWidth = 1;
      context.textAlign = "right";
      context.textBaseline = "middle";
      const values = this.isLog() ? logTicksOf(...this.limits) : ticksOf(...this.limits, 4);
      for (const value of values) {
        const y = Math.round(this.toY(value)) + 0.5;
        context.beginPath();
        context.moveTo(MARGIN.left, y);
        context.lineTo(right, y);
        context.stroke();
        context.fillText(write(value), MARGIN.left - 6, y);
      }
      context.textBaseline = "top";
      context.textAlign = "center";
      const times = ticksOf(state.from, state.to, clamp(Math.floor(this.width / 90), 2, 8));
      for (const time of times) context.fillText(write(time), this.toX(time), bottom + 7);
      context.fillText(data.unit, (MARGIN.left + right) / 2, bottom + 21);
    }

    drawChance(context, shown) {
      context.strokeStyle = style("--ink");
      context.setLineDash([5, 4]);
      for (const chance of new Set(shown.map(({ arm }) => arms[arm].chance))) {
        const y = Math.round(this.toY(chance)) + 0.5;
        context.beginPath();
        context.moveTo(MARGIN.left, y);
        context.lineTo(this.width - MARGIN.right, y);
        context.stroke();
        context.fillStyle = style("--soft");
        context.textAlign = "right";
        context.textBaseline = "bottom";
        context.fillText("chance", this.width - MARGIN.right, y - 2);
      }
      context.setLineDash([]);
    }

    drawOnset(context, curve, radius) {
      const onset = curve.run === null ? null : runs.onset[curve.run];
      if (onset === null || onset < state.from || onset > state.to) return;
      const value = valueAt(curve, onset);
      if (!Number.isFinite(value)) return;
      context.fillStyle = arms[curve.arm].colour;
      context.beginPath();
      context.arc(this.toX(onset), this.toY(value), radius, 0, 2 * Math.PI);
      context.fill();
    }

    drawOverlay() {
      if (!this.width) return;
      const context = this.overlay.getContext("2d");
      context.clearRect(0, 0, this.width, this.height);
      if (this.dragged) {
        const [first, second] = this.dragged.map((x) => clamp(x, MARGIN.left, this.width - MARGIN.right));
        context.fillStyle = style("--accent");
        context.globalAlpha = 0.2;
        context.fillRect(first, MARGIN.top, second - first, this.height - MARGIN.top - MARGIN.bottom);
        context.globalAlpha = 1;
      }
      if (state.time !== null && state.time >= state.from && state.time <= state.to) {
        context.strokeStyle = style("--soft");
        context.lineWidth = 1;
        context.beginPath();
        context.moveTo(this.toX(state.time), MARGIN.top);
        context.lineTo(this.toX(state.time), this.height - MARGIN.bottom);
        context.stroke();
      }
      context.save();
      this.clip(context);
      for (const curve of this.visible()) {
        const isNear = state.near !== null && this.isSame(curve, state.near);
        if (!isNear && !(curve.run !== null && state.pinned.includes(curve.run))) continue;
        context.strokeStyle = style("--paper");
        context.lineWidth = 6;
        this.trace(context, curve);
        context.strokeStyle = arms[curve.arm].colour;
        context.lineWidth = isNear ? 3 : 2;
        this.trace(context, curve);
        this.drawOnset(context, curve, 4.5);
      }
      context.restore();
    }

    isSame(curve, near) {
      return curve.run === null ? near.run === null && curve.arm === near.arm : curve.run === near.run;
    }

    // The curve that is closest to a place, by the distance to its pieces around that time.
    nearest(x, y) {
      const shown = this.visible();
      const from = this.toTime(x - REACH / 2);
      const to = this.toTime(x + REACH / 2);
      let found = null;
      let least = REACH ** 2;
      for (const curve of shown) {
        const last = Math.min(pointAt(curve, to) + 1, curve.x.length - 1);
        for (let i = Math.max(pointAt(curve, from), 0); i <= last; i++) {
          const [x0, y0] = [this.toX(curve.x[i]), this.toY(curve.y[i])];
          const next = Math.min(i + 1, curve.x.length - 1);
          const [x1, y1] = [this.toX(curve.x[next]), this.toY(curve.isStep ? curve.y[i] : curve.y[next])];
          const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
          const share = length ? clamp(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1) : 0;
          const distance = (x0 + share * (x1 - x0) - x) ** 2 + (y0 + share * (y1 - y0) - y) ** 2;
          if (distance < least) [found, least] = [curve, distance];
        }
      }
      return found;
    }

    listen() {
      const place = (event) => {
        const box = this.plot.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
      };
      let pressed = null;
      this.plot.addEventListener("pointerdown", (event) => {
        pressed = event.pointerType === "mouse" ? place(event)[0] : null;
      });
      this.plot.addEventListener("pointermove", (event) => {
        const [x, y] = place(event);
        this.dragged = pressed !== null && event.buttons && Math.abs(x - pressed) > 4 ? [pressed, x].sort((a, b) => a - b) : null;
        point(this, this.toTime(x), this.nearest(x, y));
      });
      this.plot.addEventListener("pointerleave", () => {
        this.dragged = pressed = null;
        point(this, null, null);
      });
      this.plot.addEventListener("click", (event) => {
        const dragged = this.dragged;
        this.dragged = pressed = null;
        if (dragged) zoom(this.toTime(dragged[0]), this.toTime(dragged[1]));
        else {
          const [x, y] = place(event);
          point(this, this.toTime(x), this.nearest(x, y));
          pin();
        }
      });
      this.plot.addEventListener("dblclick", () => zoom(whole.from, whole.to));
      this.plot.addEventListener("keydown", (event) => this.press(event));
    }

    press(event) {
      const time = state.time ?? (state.from + state.to) / 2;
      const stride = (state.to - state.from) / 40;
      const actions = {
        ArrowLeft: () => point(this, clamp(time - stride, state.from, state.to), state.near),
        ArrowRight: () => point(this, clamp(time + stride, state.from, state.to), state.near),
        ArrowUp: () => this.step(time, 1),
        ArrowDown: () => this.step(time, -1),
        Enter: pin,
        "+": () => zoom(time - 10 * stride, time + 10 * stride),
        "-": () => zoom(time - 40 * stride, time + 40 * stride),
        Escape: () => zoom(whole.from, whole.to),
      };
      if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      actions[event.key]();
    }

    // Goes to the curve that is next above or below at a time.
    step(time, direction) {
      const there = this.visible().filter((curve) => Number.isFinite(valueAt(curve, time)));
      there.sort((one, other) => valueAt(one, time) - valueAt(other, time));
      const at = state.near === null ? -1 : there.findIndex((curve) => this.isSame(curve, state.near));
      const next = at < 0 ? there.length >> 1 : clamp(at + direction, 0, there.length - 1);
      point(this, time, there[next] ?? null);
    }
  }

  const point = (panel, time, near) => {
    Object.assign(state, { time, near, panel });
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
    state.pinned = state.pinned.includes(run) ? state.pinned.filter((one) => one !== run) : [...state.pinned, run].slice(-MOST_PINNED);
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
        const curve = curves.find((one) => (one.run === null ? near.run === null && one.arm === near.arm : one.run === near.run));
        const value = curve ? valueAt(curve, time) : NaN;
        if (Number.isFinite(value)) words.push(`${name} ${write(value)}`);
      }
      if (near.run !== null) {
        const onset = runs.onset[near.run];
        words.push(runs.status[near.run] + (onset === null ? "" : `, ${arms[near.arm].event} at ${timeWord} ${write(onset)}`));
      }
    }
    show();
  };

  const FIELDS = [
    ["arm", (run) => arms[runs.arm[run]].name],
    ["run", (run) => runs.name[run]],
    ["status", (run) => runs.status[run]],
    [`${arms[0].event}, ${data.unit}`, (run) => {
      const bounds = [runs.onset_lower[run], runs.onset_upper[run]];
      return write(runs.onset[run]) + (bounds.includes(null) ? "" : ` (${bounds.map(write).join("–")})`);
    }],
    [`width of the rise, ${data.unit}`, (run) => write(runs.width[run])],
    ["suddenness", (run) => write(runs.suddenness[run])],
    ["rises", (run) => write(runs.num_breaks[run])],
    ["end loss", (run) => write(runs.end_loss[run])],
    ["end accuracy", (run) => write(runs.end_accuracy[run])],
    ["held out", (run) => write(runs.end_held_out_accuracy[run])],
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
    const resize = (factor) => zoom(middle() - (factor * (state.to - state.from)) / 2, middle() + (factor * (state.to - state.from)) / 2);
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
  make("p", host, { class: "soft", id: "explorer-keys" },
    "Point at a curve to see which run it is, click to keep it, drag across to zoom in on a time. With the keyboard: left and right move the " +
    "time, up and down choose a run, Enter keeps it, + and − zoom, Escape shows everything.");
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
    readouts.push(make("output", box, { class: "readout" }));
  }

  document.documentElement.classList.add("is-explored");
  host.hidden = false;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
})();
