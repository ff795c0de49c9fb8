// The ledger's filters, by verdict and by chapter (booktools/ledger.py). The address remembers them.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector(".ledger-filter");
  const chosen = [...form.querySelectorAll("select")], [told] = form.querySelectorAll("output");
  const claims = JSON.parse(form.dataset.claims); // [verdict, chapter] of each, in their order
  const sections = document.querySelectorAll(".bd-article section section");
  const items = [...sections].flatMap((section) => [...section.querySelectorAll(":scope > ul > li")]);
  const filter = () => {
    items.forEach((item, i) => (item.hidden = chosen.some((select, k) => select.value && select.value !== claims[i][k])));
    for (const section of sections) section.hidden = !section.querySelector("ul > li:not([hidden])");
    told.textContent = told.dataset.words.replace("{n}", items.filter((item) => !item.hidden).length);
    const query = new URLSearchParams(chosen.filter((select) => select.value).map((select) => [select.name, select.value]));
    history.replaceState(null, "", location.pathname + (query.size ? "?" + query : "") + location.hash);
  };
  for (const select of chosen) {
    select.value = new URLSearchParams(location.search).get(select.name) ?? "";
    if (select.selectedIndex < 0) select.value = "";
  }
  form.addEventListener("input", filter);
  form.hidden = false;
  filter();
});
