// A field for Python: a <textarea>, so that input methods, screen readers, phones and undo are the browser's own, which
// also indents. Tab and Shift-Tab move lines by a level; Enter keeps the level, one deeper after a colon; Backspace takes
// one back. Escape lets the next Tab leave.
const LEVEL = 4;

// Puts a text into the place of another, so that it can be undone, where the field is the one that has the focus.
function put(field, from, to, text) {
  field.setSelectionRange(from, to);
  if (field === document.activeElement && document.execCommand(text ? "insertText" : "delete", false, text)) return;
  field.setRangeText(text, from, to, "end");
  field.dispatchEvent(new Event("input"));
}

const lineStart = (text, at) => text.lastIndexOf("\n", at - 1) + 1;
const blanks = (line) => /^ */.exec(line)[0].length;

function indent(field, back) {
  const { value, selectionStart: from, selectionEnd: to } = field;
  if (from === to && !back) return put(field, from, to, " ".repeat(LEVEL - ((from - lineStart(value, from)) % LEVEL)));
  const start = lineStart(value, from);
  // A selection that ends before a line's first letter leaves that line alone.
  const end = (value.indexOf("\n", to > from && value[to - 1] === "\n" ? to - 1 : to) + 1 || value.length + 1) - 1;
  const lines = value.slice(start, end).split("\n");
  const moved = lines.map((line) => {
    if (!back) return line && " ".repeat(LEVEL) + line;
    return line.slice(blanks(line) && ((blanks(line) - 1) % LEVEL) + 1);
  });
  const text = moved.join("\n");
  if (text === lines.join("\n")) return;
  put(field, start, end, text);
  const first = Math.max(start, from + moved[0].length - lines[0].length);
  field.setSelectionRange(from === to ? first : start, from === to ? first : start + text.length);
}

function newLine(field) {
  const { value, selectionStart: from, selectionEnd: to } = field;
  const line = value.slice(lineStart(value, from), from);
  const deeper = /:\s*(#.*)?$/.test(line) ? LEVEL : 0;
  put(field, from, to, "\n" + " ".repeat(blanks(line) + deeper));
}

// Whether it took a level back: only among the blanks that a line begins with.
function takeBack(field) {
  const { value, selectionStart: at, selectionEnd: to } = field;
  const before = value.slice(lineStart(value, at), at);
  if (at !== to || before.length < 2 || before.trim()) return false;
  put(field, at - (((before.length - 1) % LEVEL) + 1), at, "");
  return true;
}

// Makes the field, with numbers of its lines beside it. `changed` is called after each change, `entered` on Ctrl+Enter.
export function editor({ label, describedBy, text, changed, entered }) {
  const root = Object.assign(document.createElement("div"), { className: "live-editor" });
  const numbers = Object.assign(document.createElement("div"), { className: "live-numbers" });
  numbers.setAttribute("aria-hidden", true);
  const field = Object.assign(document.createElement("textarea"), {
    value: text, wrap: "off", spellcheck: false, autocapitalize: "off", autocomplete: "off", translate: false,
  });
  for (const [name, value] of Object.entries({ autocorrect: "off", "aria-label": label, "aria-describedby": describedBy }))
    field.setAttribute(name, value);
  root.append(numbers, field);

  function draw() {
    const count = field.value.split("\n").length;
    field.rows = count;
    if (numbers.childElementCount === count) return;
    numbers.replaceChildren(...Array.from({ length: count }, (_, k) =>
      Object.assign(document.createElement("span"), { textContent: k + 1 })));
  }

  // Marks a line, or with null none.
  function mark(line) {
    for (const [k, number] of [...numbers.children].entries()) number.classList.toggle("is-wrong", k + 1 === line);
    root.classList.toggle("has-wrong", line !== null);
    if (line !== null) root.style.setProperty("--line", line);
  }

  let leaving = false;
  field.onkeydown = (event) => {
    const leaves = leaving && event.key === "Tab";
    leaving = event.key === "Escape" || (leaving && event.key === "Shift");
    if (event.isComposing || leaves) return;
    if (event.key === "Tab" && !event.ctrlKey && !event.altKey && !event.metaKey) indent(field, event.shiftKey);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) entered();
    else return;
    event.preventDefault();
  };
  // Phones tell what they do, not which key it was.
  field.addEventListener("beforeinput", (event) => {
    if (event.isComposing) return;
    if (event.inputType === "insertLineBreak") newLine(field);
    else if (event.inputType !== "deleteContentBackward" || !takeBack(field)) return;
    event.preventDefault();
  });
  field.oninput = () => {
    draw();
    mark(null);
    changed();
  };
  draw();
  return {
    root, field, mark,
    replaceAll: (fresh) => {
      field.focus({ preventScroll: true });
      put(field, 0, field.value.length, fresh);
    },
  };
}
