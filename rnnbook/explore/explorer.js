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
  const raised = exponent.replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"[c === "-" ? 10 : c] ?? "");
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
  const places = [], { guess } = spec;
  let pointed, room, open = !guess, guessed;

  // On what takes keys itself: otherwise JupyterLab takes them for its own.
  const own = { "data-lm-suppress-shortcuts": "true" };
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

  // A drawing whose wires are as wide as their numbers, and dashed where these are written with a minus.
  function wire(s) {
    s.names.forEach((name, k) => {
      const v = open || !guess.series.length ? valuesOf(s, k)[0] : NaN;
      for (const node of find(`[data-n=${name}]`))
        if (node.tagName === "text") node.textContent = isNaN(v) ? "" : (+v.toFixed(2)).toFixed(2).replace("-", "−");
        else node.style = isNaN(v) ? "opacity:.12" : `--v:${Math.abs(v)};stroke-dasharray:${v < -0.005 ? "6 4" : "none"}`;
    });
  }

  function draw() {
    if (spec.wired) return wire(...series);
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
      if (!open && guess.series.includes(k)) return;
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
    const marked = guess?.at[guessed];
    if (marked !== undefined) path((guess.mark === "x" ? down : across)(marked), "guess");
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

  // A row with a control; `enter` is called with the place that the reader chose.
  function row(parent, c, key, enter) {
    const line = add(parent, "div", { class: "ex-control" });
    add(line, "label", { for: id + key }, say(c.label));
    let button, input, shown;
    if (c.slider) {
      const span = add(line, "div", { class: "ex-slider" });
      if (c.play) button = add(span, "button", { ...own, type: "button" });
      input = add(span, "input", { ...own, id: id + key, type: "range", max: c.points.length - 1 });
      shown = add(span, "b", { "aria-hidden": "true" });
    } else {
      input = add(line, "select", { ...own, id: id + key });
      c.points.forEach((words, value) => add(input, "option", { value }, say(words)));
    }
    const show = (place) => {
      input.value = place;
      if (shown) input.setAttribute("aria-valuetext", (shown.textContent = say(c.points[place])));
    };
    input.oninput = () => enter(+input.value);
    return { line, button, input, show };
  }

  // The numbers under the figure; what the reader has yet to guess is a question mark.
  function tell() {
    spec.readout.forEach((texts, k) => {
      const words = open || !guess.numbers.includes(k) ? texts[point()] : "?";
      if (numbers[k].textContent !== words) numbers[k].textContent = words;
    });
  }

  const lines = controls.map((c, i) => {
    const last = c.points.length - 1;
    let timer;
    const { line, button, show } = row(panel, c, i, (place) => {
      play(false);
      set(place);
    });
    function set(place) {
      show((places[i] = place));
      if (places.includes(undefined) || places.length < controls.length) return;
      tell();
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
    set(c.start);
    play(false);
    return line;
  });

  // Predict, then see: until the reader has guessed, or would rather not, what the guess hides is nowhere on the page.
  function ask() {
    const { control } = guess, words = guess.words.map(say), [alt] = find(".ex-alt"), whole = [...alt.childNodes];
    // Equal figures share it, in both editions.
    const key = "guess" + root.id.match(/-\w+/);
    const box = add(panel, "div", { class: "ex-guess" });
    panel.prepend(box);
    add(box, "p", {}, say(guess.question));
    const { line, show } = row(box, control, "g", (place) => {
      show((guessed = place));
      see.disabled = false;
      draw();
    });
    const below = add(box, "p", { class: "ex-row", tabindex: -1 });
    const button = (words, place) => {
      const one = add(below, "button", { ...own, type: "button" }, words);
      one.onclick = () => {
        end(place());
        below.focus();
        try {
          localStorage[key] = guessed;
        } catch {}
      };
      return one;
    };
    const see = button(words[0], () => guessed);
    button(words[1], () => -1);

    function turn(now) {
      open = now;
      alt.replaceChildren(...(open ? whole : [words[2]]));
      for (const other of lines) other.inert = !open;
      tell();
      draw();
    }
    // A place below 0: shown without a guess.
    function end(place) {
      guessed = place;
      if (place < 0) line.remove();
      else show(place);
      line.inert = true;
      below.replaceChildren();
      [control.points[place], guess.truth, guess.off[place]].forEach((text, k) => {
        if (text) add(add(below, "span", {}, words[k + 3]), "b", {}, say(text));
      });
      turn(true);
    }
    guessed = control.slider ? control.start : -1;
    see.disabled = guessed < 0;
    show(guessed);
    // The still picture shows all.
    if (!spec.wired) svg.replaceChildren();
    turn(false);
    addEventListener("beforeprint", () => open || end(-1));
    // A browser may forbid to keep anything.
    try {
      const before = localStorage[key];
      if (before) end(control.points[before] ? +before : -1);
    } catch {}
  }
  if (guess) ask();

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
