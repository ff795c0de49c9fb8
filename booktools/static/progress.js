// What of the exercises is solved, as this browser keeps it, in the table that `progress` gives in a notebook.
for (const place of document.querySelectorAll(".live-progress")) {
  const isSolved = (id) => localStorage.getItem("solved:" + id) !== null || localStorage.getItem("answer:" + id) !== null;
  let done = 0, count = 0;
  for (const [solved, open] of [...place.querySelectorAll("tbody tr")].map((row) => row.querySelectorAll("td"))) {
    const ids = open.textContent.split(", ");
    const found = ids.filter(isSolved);
    solved.textContent = found.join(", ") || "–";
    open.textContent = ids.filter((id) => !found.includes(id)).join(", ") || "–";
    done += found.length;
    count += ids.length;
  }
  const chinese = document.documentElement.lang === "zh-CN";
  const said = place.dataset.said.replace("{done}", done).replace("{count}", count);
  place.querySelector(`.rnn-check > [lang=${chinese ? "zh" : "en"}]`).textContent = said;
  place.hidden = done === 0;
}
