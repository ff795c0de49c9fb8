// The explorable figures of a page: each walks over the grid of values that its output carries.
// Nothing is interpolated and nothing computed: every number shown was computed by the book's package.

let count = 0;

function add(parent, name, attributes, text) {
  const space = name === "svg" ? "http://www.w3.org/2000/svg" : parent.namespaceURI;
  const node = document.createElementNS(space, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text) node.textContent = text;
  return parent.appendChild(node);
}

// The same words as Python's: three digits, "–" for what is not finite.
function number(value) {
  if (!isFinite(value)) return "–";
  const size = Math.abs(+value.toPrecision(3));
  const [mantissa, exponent] = size.toExponential().split("e");
  const raised = exponent.replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? (c === "-" ? "⁻" : ""));
  const text = size && (size < 1e-3 || size >= 1e5) ? mantissa + "×10" + raised : size;
  return (value < 0 && size ? "−" : "") + text;
}

// A scale from positions to pixels; what lies beyond an end stands on it.
function ruler([start, end], from, to) {
  const low = Math.min(start, end), high = Math.max(start, end);
  return (v) => +(from + ((Math.min(Math.max(v, low), high) - start) / (end - start)) * (to - from)).toFixed(1);
}

function explore(script) {
  const root = script.parentNode, spec = JSON.parse(script.textContent);
  const { controls, series, x, y } = spec;
  const bytes = atob(spec.data);
  const chinese = root.closest("[lang]")?.lang.startsWith("zh");
  const say = (text) => (Array.isArray(text) ? text[chinese ? 1 : 0] : text);
  const id = root.id + "-" + ++count + "-";
  const places = [];
  let pointed, room;

  const find = (selector) => root.querySelectorAll(selector);
  const [svg] = find("svg"), [figure] = find(".ex-figure"), [panel] = find(".ex-panel"), [readout] = find("[role=status]");
  const keys = find(".ex-legend b"), numbers = find("[role=status] b");
  find(".ex-settings")[0].remove();
  script.remove();

  const point = () => controls.reduce((flat, c, i) => flat * c.points.length + places[i], 0);
  // The values of a series at the present grid point; of one coordinate, where it has two.
  function valuesOf(s, coordinate) {
    const values = [], [low, high] = s.ranges[coordinate];
    for (let i = coordinate; i < s.size; i += s.ranges.length) {
      const k = 2 * (point() * spec.stride + s.offset + i);
      const code = bytes.charCodeAt(k) + 256 * bytes.charCodeAt(k + 1);
      values.push([-Infinity, Infinity, NaN][code - 65533] ?? low + (code * (high - low)) / 65532);
    }
    return values;
  }

  function draw() {
    if (!room) return;
    const left = 14 + 7 * Math.max(...y.ticks.map((t) => t[1].length));
    const top = y.label ? 28 : 12;
    const wide = Math.min(room - left - 12, spec.square ? 340 : 700);
    const tall = spec.square ? wide * spec.aspect : room < 480 ? 200 : 250;
    const right = left + wide, bottom = top + tall, width = right + 12, height = bottom + (x.label ? 42 : 26);
    const X = ruler(x.ends, left, right), Y = ruler(y.ends, bottom, top);
    const path = (d, kind, more) => add(svg, "path", { d, class: "ex-" + kind, ...more });
    const text = (words, x, y, anchor) => add(svg, "text", { x, y, "text-anchor": anchor }, words);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);

    const across = (v) => `M${left} ${Y(v)}H${right}`, down = (v) => `M${X(v)} ${top}V${bottom}`;
    let grid = "";
    for (const [at, words] of y.ticks) {
      grid += across(at);
      text(words, left - 7, Y(at) + 4, "end");
    }
    for (const [at, words] of x.ticks) {
      grid += spec.planar ? down(at) : `M${X(at)} ${bottom}v4`;
      text(words, X(at), bottom + 17, "middle");
    }
    if (!spec.heat) path(grid, "grid");
    path(x.marks.map(down).join("") + y.marks.map(across).join(""), "mark");
    text(say(x.label), (left + right) / 2, height - 6, "middle").classList = "ex-name";
    if (y.label) text(say(y.label), 0, 14, "start").classList = "ex-name";

    series.forEach((s, k) => {
      const two = s.ranges.length > 1;
      const xs = two ? valuesOf(s, 0) : x.at, ys = valuesOf(s, +two);
      const half = ys.length / 2;
      const missing = (i) => isNaN(xs[i]) || isNaN(ys[i]);
      const clipped = (i) => i >= 0 && i < xs.length && !missing(i) && !(isFinite(xs[i]) && isFinite(ys[i]));
      const at = (i) => X(xs[i % xs.length]) + " " + Y(ys[i]);
      const paint = (d, kind, k = 0) => path(d, `${kind} c${(s.colour + k) % 4}`);
      let edges = "";
      const edge = (i) => (edges += `M${at(i)}m-5 0l5-5 5 5-5 5z`);
      // A missing value lifts the pen; clipped ones are a row of dots on the edge, its ends marked.
      function curve(from, to) {
        let d = "", pen = "M";
        for (let i = from; i < to; i++) {
          if (clipped(i)) {
            if (clipped(i - 1)) pen = "M";
            if (!clipped(i - 1) || !clipped(i + 1)) edge(i);
          }
          if (!missing(i)) d += pen + at(i) + (pen === "M" ? "h0" : "");
          pen = missing(i) ? "M" : "L";
        }
        return d;
      }
      function dots(from, to) {
        let d = "";
        for (let i = from; i < to; i++)
          if (clipped(i)) edge(i);
          else if (!missing(i)) d += `M${at(i)}h0`;
        return d;
      }
      const painters = {
        line: () => paint(curve(0, ys.length), s.mark),
        points: () => paint(dots(0, ys.length), "points"),
        band() {
          let d = "";
          for (let i = 1; i < half; i++) {
            const corners = [i - 1, i, half + i, half + i - 1];
            if (!corners.some((k) => isNaN(ys[k]))) d += "M" + corners.map(at).join("L") + "Z";
          }
          paint(d, "band");
        },
        bars() {
          const bar = (0.7 * wide) / ys.length;
          let d = "";
          ys.forEach((v, i) => {
            if (!isNaN(v)) d += `M${X(xs[i]) - bar / 2} ${Y(0)}h${bar}V${Y(v)}h${-bar}Z`;
            if (clipped(i)) edge(i);
          });
          paint(d, "bars");
        },
        heat() {
          const [low, high] = s.ranges[0], columns = xs.length, w = wide / columns, h = (tall * columns) / ys.length;
          ys.forEach((v, i) => {
            const fill = s.colours[Math.round(((v - low) / (high - low)) * (s.colours.length - 1))];
            const corner = `${X(xs[i % columns]) - w / 2} ${Y(y.at[Math.floor(i / columns)]) - h / 2}`;
            if (fill) path(`M${corner}h${w + 0.3}v${h + 0.3}H${X(xs[i % columns]) - w / 2}z`, "cell", { fill });
          });
        },
        trajectories() {
          const length = ys.length / s.paths;
          for (let k = 0; k < s.paths; k++) {
            const from = k * length, to = from + length;
            paint(curve(from, to), "path", k);
            paint(dots(from + 1, to - 1), "step", k);
            paint(dots(from, from + 1), "end", k);
            path(dots(from, from + 1), "hole");
            paint(dots(to - 1, to), "end", k);
          }
        },
        arrows() {
          let d = "";
          s.at.forEach(([a, b], i) => {
            if (!isFinite(xs[i] + ys[i])) return;
            const tipX = X(a + s.scale * xs[i]), tipY = Y(b + s.scale * ys[i]);
            const dx = tipX - X(a), dy = tipY - Y(b), head = Math.min(5 / Math.hypot(dx, dy), 0.5) || 0;
            d += `M${X(a)} ${Y(b)}L${tipX} ${tipY}`;
            for (const side of [0.6, -0.6])
              d += `M${tipX} ${tipY}l${-head * (dx + side * dy)} ${-head * (dy - side * dx)}`;
          });
          path(d, "arrows");
        },
      };
      painters[s.kind]();
      if (edges) paint(edges, "edge");

      // The numbers under the pointer, beside their key.
      if (two) return;
      // No digits that sixteen bits do not carry.
      const [low, high] = s.ranges[0], unit = 10 ** Math.floor(Math.log10(65532 / (high - low)));
      const real = (i) => number(y.log && !spec.heat ? 10 ** ys[i] : Math.round(ys[i] * unit) / unit);
      const [column, row] = pointed ?? [];
      let words = "";
      if (pointed) words = real(spec.heat ? row * xs.length + column : column);
      if (pointed && s.kind === "band") words += " … " + real(column + half);
      keys[k].textContent = words;
    });
    if (pointed && !spec.heat) path(down(x.at[pointed[0]]), "pointer");

    svg.onpointermove = (event) => {
      const box = svg.getBoundingClientRect();
      const nearest = (values, scale, pixel) => {
        const away = values.map((v) => Math.abs(scale(v) - pixel));
        return away.indexOf(Math.min(...away));
      };
      if (!x.at.length) return;
      pointed = [nearest(x.at, X, event.clientX - box.left), nearest(y.at, Y, event.clientY - box.top)];
      draw();
    };
  }
  svg.onpointerleave = () => {
    pointed = undefined;
    draw();
  };

  controls.forEach((c, i) => {
    const row = add(panel, "div", { class: "ex-control" });
    add(row, "label", { for: id + i }, say(c.label));
    const last = c.points.length - 1;
    // On the input itself: otherwise JupyterLab takes the arrow keys for its own.
    const own = { "data-lm-suppress-shortcuts": "true" };
    let timer, button, input, shown;
    if (c.slider) {
      const span = add(row, "div", { class: "ex-slider" });
      if (c.play) button = add(span, "button", { ...own, type: "button" });
      input = add(span, "input", { ...own, id: id + i, type: "range", max: last });
      shown = add(span, "b", { "aria-hidden": "true" });
    } else {
      input = add(row, "select", { ...own, id: id + i });
      c.points.forEach((words, value) => add(input, "option", { value }, say(words)));
    }
    function set(place) {
      places[i] = input.value = place;
      if (shown) {
        shown.textContent = say(c.points[place]);
        input.setAttribute("aria-valuetext", say(c.points[place]));
      }
      if (places.includes(undefined) || places.length < controls.length) return;
      spec.readout.forEach((texts, k) => {
        if (numbers[k].textContent !== texts[point()]) numbers[k].textContent = texts[point()];
      });
      draw();
    }
    // A walk over the grid to its end; single steps for readers who asked for less motion.
    function play(on) {
      clearInterval(timer);
      timer = on ? setInterval(step, 400) : 0;
      if (!button) return;
      button.textContent = on ? "❚❚" : "▶\ufe0e";
      button.setAttribute("aria-label", say(c.play[+on]));
      readout.setAttribute("aria-live", on ? "off" : "polite");
    }
    function step() {
      if (places[i] < last && root.isConnected) set(places[i] + 1);
      if (places[i] === last || !root.isConnected) play(false);
    }
    if (button)
      button.onclick = () => {
        if (timer) return play(false);
        if (places[i] === last) set(0);
        else step();
        play(places[i] < last && !matchMedia("(prefers-reduced-motion: reduce)").matches);
      };
    input.oninput = () => {
      play(false);
      set(+input.value);
    };
    set(c.start);
    play(false);
  });

  // Real pixels, not a scaled picture: words stay readable on a phone. The browser says how many there are
  // as soon as it lays out the figure, which it may leave for the moment when a reader comes near.
  new ResizeObserver(() => {
    if (figure.clientWidth === room) return;
    room = figure.clientWidth;
    draw();
  }).observe(figure);
}

function showExplorers() {
  document.querySelectorAll(".explorer>script").forEach(explore);
}
