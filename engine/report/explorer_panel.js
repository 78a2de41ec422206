// One panel of the explorer: curves against time on a canvas, and on another above it what is pointed at and pinned.
"use strict";

class Panel {
  constructor(parent, { name, scale, curves }, own = null) {
    Object.assign(this, { name, scale, curves, own });
    const figure = own === null ? make("figure", parent, { class: "panel" }) : parent;
    if (own === null) make("figcaption", figure, {}, name);
    this.plot = make("div", figure, {
      tabindex: "0",
      role: "application",
      "aria-describedby": "explorer-keys",
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

  // The range of the values shown; a loss that shoots up does not press the others together. A metric has no level.
  range() {
    if (this.scale === "share" && !this.isLog()) return [0, 1.02];
    const shown = this.visible();
    let top = Math.max(0, ...shown.map(({ arm }) => arms[arm].chance || 0));
    const starts = shown
      .map(({ y }) => y[0])
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    if (this.scale === "share") top = 1;
    else if (this.scale === "metric") top = Infinity;
    else if (starts.length) top = Math.max(top, starts[starts.length >> 1]) * 1.12;
    const isWhole = state.from === whole.from && state.to === whole.to;
    if (!this.isLog() && isWhole && top < Infinity) return [0, top || 1];
    let low = Infinity;
    let high = -Infinity;
    for (const curve of shown) {
      const last = Math.min(pointAt(curve, state.to) + 1, curve.x.length - 1);
      for (let i = Math.max(pointAt(curve, state.from), 0); i <= last; i++) {
        const value = curve.y[i];
        if (value <= top && Number.isFinite(value) && (!this.isLog() || value > 0)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      }
    }
    if (!(low < high)) {
      const end = top < Infinity ? top || 1 : Math.max(1, high);
      return this.isLog() ? [end / 10, end] : [Math.min(0, low), end];
    }
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
    context.rect(
      MARGIN.left,
      MARGIN.top - 3,
      this.width - MARGIN.left - MARGIN.right,
      this.height - MARGIN.top - MARGIN.bottom + 6,
    );
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
      const isNear = state.near !== null && isSame(curve, state.near);
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
      this.dragged =
        pressed !== null && event.buttons && Math.abs(x - pressed) > 4 ? [pressed, x].sort((a, b) => a - b) : null;
      point(this.toTime(x), this.nearest(x, y));
    });
    this.plot.addEventListener("pointerleave", () => {
      this.dragged = pressed = null;
      point(null, null);
    });
    this.plot.addEventListener("click", (event) => {
      const dragged = this.dragged;
      this.dragged = pressed = null;
      if (dragged) zoom(this.toTime(dragged[0]), this.toTime(dragged[1]));
      else {
        const [x, y] = place(event);
        point(this.toTime(x), this.nearest(x, y));
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
      ArrowLeft: () => point(clamp(time - stride, state.from, state.to), state.near),
      ArrowRight: () => point(clamp(time + stride, state.from, state.to), state.near),
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
    const at = state.near === null ? -1 : there.findIndex((curve) => isSame(curve, state.near));
    const next = at < 0 ? there.length >> 1 : clamp(at + direction, 0, there.length - 1);
    point(time, there[next] ?? null);
  }
}
