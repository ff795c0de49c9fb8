// Paper shows hints and solutions, and dark ink; of checked statements, how many they are.
(() => {
  const root = document.documentElement.dataset;
  let folded = [], theme;
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details.fold:not([open], .fold-checked)")];
    for (const fold of folded) fold.open = true;
    for (const image of document.images) image.loading = "eager";
    [theme, root.theme] = [root.theme, "light"];
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
    root.theme = theme;
  });
})();

// Sections beyond the screen are laid out when they are scrolled to, and bit by bit once a reader has begun to read.
// A link to a place on this page, a key (it may search the page) and paper want all of it now: places are where they are.
{
  const root = document.documentElement.dataset;
  const layAllOut = () => delete root.far;
  const idle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  for (const event of ["keydown", "beforeprint"]) addEventListener(event, layAllOut);
  const go = () => document.querySelector(":target")?.scrollIntoView();
  // A figure above takes its height in the frame after.
  const goOnceMore = () => requestAnimationFrame(() => requestAnimationFrame(go));
  addEventListener("hashchange", () => {
    if (!("far" in root)) return;
    layAllOut(); // only after the browser had gone where the place would be
    go();
    goOnceMore();
  });
  addEventListener("load", () => {
    if (performance.getEntriesByType("navigation")[0]?.type === "navigate") goOnceMore(); // no reload, no way back
    const sections = [...document.querySelectorAll(".bd-article > section > section")];
    const layOneOut = () => {
      const section = sections.shift();
      if (!section) return layAllOut();
      section.classList.add("is-laid-out");
      idle(layOneOut);
    };
    setTimeout(idle, 6000, layOneOut);
  });
}

// What scrolls by itself is scrolled with the keyboard too. Measured whenever the browser has laid it out.
document.addEventListener("DOMContentLoaded", () => {
  const observer = new ResizeObserver((seen) => {
    for (const { target: box } of seen) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
    }
  });
  const scrollers = "pre, .formula-body, .pst-scrollable-table-container, .cell_output > .output";
  for (const box of document.querySelectorAll(scrollers)) observer.observe(box);
});

// How far each chapter was read, and the place to go on from. It stays in this browser.
document.addEventListener("DOMContentLoaded", () => {
  const chinese = document.documentElement.lang === "zh-CN";
  const page = DOCUMENTATION_OPTIONS.pagename;
  const kept = { page: "", place: "", far: {} }; // far: chapter → the part of it that was read, 0 to 1
  try {
    const { page, place, far } = JSON.parse(localStorage.getItem("reading"));
    if (typeof page === "string" && /^(#[\w-]+)?$/.test(place)) Object.assign(kept, { page, place });
    for (const [name, part] of Object.entries(far)) if (part > 0 && part <= 1) kept.far[name] = part;
  } catch {} // nothing there, no leave to look, or something else
  const keep = () => localStorage.setItem("reading", JSON.stringify(kept));
  const links = [...document.querySelectorAll(".bd-sidebar-primary li > a.internal, #sec-index-ways a.internal")]
    .map((link) => [link, /\/(chapters\/[\w-]+)\.html$/.exec(link.href.split("#")[0])?.[1]])
    .filter(([, name]) => name && name !== page);
  for (const [link, name] of links) {
    const far = kept.far[name];
    if (!far) continue;
    const part = Math.floor(100 * far) + "%";
    link.classList.add(far < 1 ? "is-begun" : "is-read");
    link.title = far < 1 ? (chinese ? "读了 " + part : part + " read") : chinese ? "已读完" : "Read to the end";
    link.dataset.read = part;
  }
  if (page === "index") {
    const link = links.find(([, name]) => name === kept.page)?.[0];
    const header = document.querySelector(".header-article-items__start");
    if (!link || !header) return;
    const text = link.textContent.trim();
    const more = Object.assign(document.createElement("a"), { className: "continue-reading", title: text });
    more.href = link.href + kept.place;
    more.textContent = (chinese ? "接着读：" : "Continue: ") + text;
    header.append(more);
  } else if (document.querySelector("div.cell, .bd-article .formula")) {
    const end = document.querySelector(".prev-next-footer");
    const reader = new IntersectionObserver(([seen]) => {
      if (!seen.isIntersecting) return;
      kept.far[page] = 1;
      keep();
    });
    if (end) reader.observe(end);
    addEventListener("pagehide", () => {
      const sections = [...document.querySelectorAll(".bd-article section section[id]")];
      const above = (section) => section.getBoundingClientRect().top < 120;
      // A part of what is still ahead need not be measured, which would lay it out.
      const passed = sections.filter((section) => above(section.closest(".bd-article > section > section")) && above(section));
      kept.page = page;
      kept.place = passed.length ? "#" + passed.at(-1).id : "";
      kept.far[page] = Math.max(kept.far[page] ?? 0, Math.max(passed.length - 1, 0) / sections.length);
      keep();
    });
  }
});

// Answers that are functions can be written here, too. Python comes with the first click, and nothing of it before.
for (const place of document.querySelectorAll(".live")) {
  const id = place.dataset.exercise, offer = place.querySelector(".live-offer"), button = offer?.firstChild;
  if (localStorage.getItem("solved:" + id)) document.getElementById(id)?.classList.add("is-solved");
  if (!button) continue; // it needs more than a page has
  const { python, notebook, words } = JSON.parse(place.querySelector("script").textContent);
  const say = (text) => {
    const said = Object.assign(document.createElement("span"), { role: "status" });
    const made = (tag, textContent) => Object.assign(document.createElement(tag), { textContent, href: notebook });
    said.append(...text.split(/(`.*?`|\[.*?\])/).map((part, k) => (k % 2 ? made(part[0] === "[" ? "a" : "code", part.slice(1, -1)) : part)));
    offer.replaceChildren(button, " ", said);
  };
  button.dataset.write = button.textContent;
  if (localStorage.getItem("code:" + id) !== null) button.textContent = words.again;
  button.onclick = async () => {
    if (location.protocol === "file:") return say(words.file); // browsers let such a page load nothing
    try {
      await (await import(new URL(python + "live.js", location))).open(place);
    } catch {
      say(words.missing);
    }
  };
  button.disabled = false;
}
