// Answer boxes: what `check` says of a value, without a kernel. Each form carries the comparisons of its checker
// (rnnbook/check/recording.py): wanted values, tolerances, known mistakes, and the words in the page's language.
const answers = (() => {
  // Full-width figures and signs become plain ones; so do all dashes, and the full stop of a Chinese keyboard.
  const plain = (typed) => typed.normalize("NFKC").replace(/[‐-―−]/g, "-").replace(/。/g, ".").replace(/[⁄÷]/g, "/");

  // 3.5 or 3,5, −1/2, 2e-3 or 2×10⁻³, 5 %, x = 7, 12,500 where it can only be that; NaN for what is no number.
  function number(typed, whole) {
    let text = plain(typed).replace(/^.*[=≈]/, "").replace(/^\s+|\s+$|\s*([^\d\s])\s*/g, "$1");
    if ((whole || /[ .]/.test(text)) && /^-?\d{1,3}([ ,]\d{3})+(\.|$)/.test(text)) text = text.replace(/[ ,]/g, "");
    const [top, bottom, ...more] = text.replaceAll(",", ".").replace(/[×x*·]10[\^*]*/i, "e").replace(/%$/, "/100").split("/")
      .map((part) => (/^[-+.\de]+$/i.test(part) ? +part : NaN));
    const value = more.length ? NaN : top / (bottom ?? 1);
    return isFinite(value) ? value : NaN;
  }

  // The entries of a list, with or without brackets, if there are as many as there are fields.
  function list(typed, count) {
    const text = plain(typed).replace(/^.*=|[[\](){}【】]/g, "").trim();
    return [/\s*[;、]\s*/, /,?\s+/, /,/].map((mark) => text.split(mark)).find((parts) => parts.length === count);
  }

  const close = (got, want, rtol, atol) => got === want || Math.abs(got - want) <= atol + rtol * Math.abs(want);

  // What to say of these values, and the number of the field that is wrong. `shown` is how the page writes each.
  function verdict({ names, whole, tests, words }, values, shown) {
    const told = (k, extra) =>
      [words.wrong.replace("{name}", names[k]).replace("{got}", () => shown[k]).replace("{extra}", () => extra).trim(), k];
    const none = values.findIndex(Number.isNaN);
    if (none >= 0) return [words.none, none];
    if (whole && values[0] % 1) return told(0, words.whole);
    for (const { entry, want, rtol, atol, exact, mistakes } of tests) {
      const got = entry === null ? values : [values[entry]], wants = [want].flat();
      const wrong = wants.findIndex((one, k) => !close(got[k], one, rtol, atol));
      if (wrong < 0) continue;
      // null stands for any number
      const fits = (other, least = 1) =>
        [other].flat().every((one, k) => one === null || close(got[k], one, Math.max(rtol, 1e-5 * least), Math.max(atol, 1e-8 * least)));
      const hit = mistakes.find(([other]) => ![other].flat().includes(null) && fits(other, 0));
      const off = got[wrong] - wants[wrong], near = Math.abs(off) <= 0.01 * Math.abs(wants[wrong]);
      const [, known] = hit || ((exact || !fits(want)) && mistakes.find(([other]) => fits(other))) || [];
      return told(+entry + wrong, known ?? (near && !exact ? words.digits : off > 0 ? words.large : off < 0 ? words.small : ""));
    }
    return [words.passed];
  }
  return { number, list, verdict };
})();

for (const form of document.querySelectorAll("form.answer")) {
  const data = JSON.parse(form.querySelector("script").textContent);
  const id = form.dataset.exercise, key = "answer:" + id, fields = [...form.querySelectorAll("input, select")];
  const typing = fields[0].type === "text";

  function check() {
    const parts = typing && fields.length > 1 && answers.list(fields[0].value, fields.length);
    if (parts) fields.forEach((field, k) => (field.value = parts[k]));
    const values = fields.map(({ value }) =>
      typing ? answers.number(value, data.whole) : value && isNaN(value) ? value : parseFloat(value));
    const shown = values.map((value, k) =>
      typing ? String(+value.toPrecision(value % 1 ? 6 : 15)).replace("-", "−") : `“${fields[k].selectedOptions[0]?.label}”`);
    const [text, wrong] = answers.verdict(data, form.values = values, shown);
    const right = wrong === undefined;
    form.dataset.state = right ? "right" : "wrong";
    fields.forEach((field, k) => field.setAttribute("aria-invalid", k === wrong));
    const code = (words) => Object.assign(document.createElement("code"), { textContent: words });
    form.querySelector("p").replaceChildren(...text.split("`").map((part, k) => (k % 2 ? code(part) : part)));
    if (right) document.getElementById(id)?.classList.add("is-solved");
    return right;
  }

  form.onsubmit = (event) => {
    event.preventDefault();
    if (!check()) return;
    try {
      localStorage[key] = fields.map(({ value }) => value).join("|");
    } catch {} // a browser may forbid to keep anything
  };
  let before;
  try {
    before = localStorage[key]?.split("|");
  } catch {}
  if (before) {
    fields.forEach((field, k) => (field.value = before[k] ?? ""));
    check();
  }
  form.querySelector("fieldset").disabled = false;
}
