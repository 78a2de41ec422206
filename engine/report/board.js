// Sorts and filters the rows of the board, and lays two of them side by side.
(() => {
  "use strict";
  const body = document.querySelector(".board tbody");
  const rows = [...body.rows];
  const heads = [...document.querySelectorAll(".board thead th[title]")];
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  const compared = document.getElementById("compared");
  const COLOURS = ["#0072b2", "#d55e00"];

  const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const numberOf = (text) => (text === "inf" ? Infinity : text === "" ? NaN : Number(text));
  const compareValues = (one, other) => {
    const [first, second] = [numberOf(one), numberOf(other)];
    if (Number.isNaN(first) || Number.isNaN(second)) return one.localeCompare(other, undefined, { numeric: true });
    return first === second ? 0 : first - second;
  };

  heads.forEach((head, i) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const isUp = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      rows.sort((one, other) => (isUp ? 1 : -1) * compareValues(valueOf(one, i + 1), valueOf(other, i + 1)));
      body.append(...rows);
    });
  });

  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    found.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });

  const add = (tag, parent, text = "") => {
    const element = parent.appendChild(document.createElement(tag));
    element.textContent = text;
    return element;
  };
  const draw = (parent, studies) => {
    const [width, height, left, bottom] = [560, 200, 46, 24];
    const svg = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Share of the runs that left chance level by each time");
    const put = (tag, attributes, text = "") => {
      const element = svg.appendChild(document.createElementNS(svg.namespaceURI, tag));
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.textContent = text;
    };
    const end = Math.max(...studies.map(({ curve: [x] }) => x[x.length - 1])) || 1;
    const toX = (time) => left + ((width - left - 4) * time) / end;
    const toY = (share) => 6 + (height - bottom - 6) * (1 - share);
    for (const share of [0, 0.5, 1]) {
      put("line", { x1: left, x2: width - 4, y1: toY(share), y2: toY(share), stroke: "var(--line)" });
      put(
        "text",
        { x: left - 6, y: toY(share) + 4, "text-anchor": "end", "font-size": 12, fill: "currentColor" },
        `${100 * share} %`,
      );
    }
    for (const share of [0, 0.5, 1]) {
      const anchor = share === 1 ? "end" : "middle";
      put(
        "text",
        { x: toX(share * end), y: height - 6, "text-anchor": anchor, "font-size": 12, fill: "currentColor" },
        `${+(share * end).toPrecision(3)}${share === 1 ? ` ${studies[0].unit}` : ""}`,
      );
    }
    studies.forEach(({ curve: [x, y] }, i) => {
      const points = x.flatMap((time, k) => [
        ...(k ? [`${toX(time)},${toY(y[k - 1])}`] : []),
        `${toX(time)},${toY(y[k])}`,
      ]);
      put("polyline", { points: points.join(" "), fill: "none", stroke: COLOURS[i], "stroke-width": 2 });
    });
  };
  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  let chosen = [];
  body.addEventListener("change", (event) => {
    const row = event.target.closest("tr");
    chosen = event.target.checked ? [...chosen, row].slice(-2) : chosen.filter((one) => one !== row);
    for (const one of rows) {
      const box = one.querySelector("input");
      if (box) box.checked = chosen.includes(one);
    }
    compared.replaceChildren();
    compared.hidden = chosen.length < 2;
    if (compared.hidden) return;
    const studies = chosen.map((one) => JSON.parse(one.dataset.study));
    add("h2", compared, "Compared");
    const table = add("table", compared);
    for (const [title, of] of [
      ["study", "place"],
      ["verdict", "headline"],
      ["left", "left"],
      ["when", "when"],
      ["earlier by", "remedy"],
    ]) {
      const line = add("tr", table);
      add("th", line, title).scope = "row";
      studies.forEach((study, i) => {
        const cell = add("td", line, study[of]);
        if (of === "place") cell.style.borderTop = `3px solid ${COLOURS[i]}`;
      });
    }
    if (studies[0].unit === studies[1].unit) draw(add("figure", compared), studies);
    add("p", compared, "Seed by seed, in the folder of this page:").className = "soft";
    const [own, base] = studies.map(({ place }) => quoted(place));
    add("code", add("p", compared), `plateau compare --workdir=${own} --baseline=${base}`);
    compared.scrollIntoView({ block: "nearest" });
  });
})();
