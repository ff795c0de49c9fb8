// The chapter's notebook with what the reader answered on its page, as a file.
const kept = (name, id) => localStorage.getItem(`${name}:${id}`);

// What stands in a cell whose answer is a value: `c_3 = ...` becomes `c_3 = 0.562`. Where the fields are no variables of
// the cell, its last one is the list of them.
function withValues(source, { names, values }) {
  const written = values.map((value) => (typeof value === "string" ? JSON.stringify(value) : String(value)));
  const gap = (name) => new RegExp(`^${name} = \\.\\.\\.$`, "m");
  if (names.every((name) => gap(name).test(source)))
    return names.reduce((text, name, k) => text.replace(gap(name), `${name} = ${written[k]}`), source);
  return source.replace(/^(\w+) = \.\.\.$(?![^]*^\w+ = \.\.\.$)/m, `$1 = [${written.join(", ")}]`);
}

// Fills in the notebook; `boxes` has the answer boxes of the page, by the names of their exercises.
export function filled(notebook, boxes) {
  for (const cell of notebook.cells) {
    const id = cell.metadata.exercise;
    if (!id) continue;
    const source = [cell.source].flat().join("");
    const box = boxes.get(id);
    cell.source = kept("code", id)?.trimEnd() ?? (box && kept("answer", id) !== null ? withValues(source, box) : source);
  }
  return notebook;
}

function boxes() {
  const forms = [...document.querySelectorAll("form.answer")].filter((form) => form.values);
  return new Map(forms.map((form) =>
    [form.dataset.exercise, { names: JSON.parse(form.querySelector("script").textContent).names, values: form.values }]));
}

export async function download(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.status);
  const text = JSON.stringify(filled(await answer.json(), boxes()), null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
  link.download = answer.url.replace(/.*\//, "").replace(/(\.ipynb).*/, "-answers$1");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Forgets the answers to all exercises of the page.
export function clear() {
  for (const { dataset: { exercise } } of document.querySelectorAll("[data-exercise]")) {
    for (const name of ["code", "solved", "answer"]) localStorage.removeItem(`${name}:${exercise}`);
    document.getElementById(exercise)?.classList.remove("is-solved");
  }
  for (const form of document.querySelectorAll("form.answer[data-state]")) {
    form.reset();
    form.removeAttribute("data-state");
    for (const field of form.elements) field.removeAttribute("aria-invalid");
    form.querySelector("p").textContent = "";
  }
}
