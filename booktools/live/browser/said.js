// What is shown of an answer, and of the names that it may use.

export function element(tag, className, ...inside) {
  const made = Object.assign(document.createElement(tag), { className });
  made.append(...inside);
  return made;
}

// Text in which code stands between backquotes.
export const marked = (text) => text.split("`").map((part, k) => (k % 2 ? element("code", "", part) : part));

// Names that a piece of Python binds at its top.
export function bound(source) {
  return source.split("\n").flatMap((line) => {
    const imported = /^(from \S+ )?import (.+)/.exec(line);
    if (imported) return imported[2].split(",").map((name) => /(?:.* as )?([^\s.]+)/.exec(name.trim())[1]);
    const [, defined, assigned] = /^(?:def|class) (\w+)|^(\w[\w, ()*]*?) = /.exec(line) ?? [];
    return defined ? [defined] : (assigned?.match(/\w+/g) ?? []);
  });
}

// A letter of the Chinese keyboard where Python wants one of the English.
const fullWidth = (error) =>
  /invalid character '(.)' \(U\+(?:FF|30|201)/.exec(error)?.[1] ?? (/character U\+3000/.test(error) ? "\u3000" : undefined);

// What the reader's code printed, its error, and the box of the check, as far as there are any.
export function answer({ html, printed, error, line }, words) {
  const shown = [];
  if (printed) shown.push(element("p", "", words.printed), element("pre", "", printed));
  if (error) {
    const letter = fullWidth(error);
    shown.push(
      element("p", "live-error", line ? words.line.replace("{line}", line) : words.error),
      element("pre", "", error),
      ...(letter ? [element("p", "", words.full.replace("{letter}", letter))] : []),
    );
  }
  const box = element("div", "");
  box.innerHTML = html;
  for (const part of box.children) part.removeAttribute("role"); // it stands within a status
  return [...shown, ...box.childNodes];
}
