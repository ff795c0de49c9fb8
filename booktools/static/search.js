// The search, over SEARCH (searchindex.js, by booktools/search.py): its documents are the sections of this edition, its
// terms words of Latin and other letters, and Han characters and their pairs. Index and query are cut and folded alike.

const search = (() => {
  const { pages, sections, names, traditional } = SEARCH;
  const TOKEN = /\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{N}\p{M}])+/gu;
  const HAN = /\p{Script=Han}/u;
  const TITLE = 3, NAME = 6, CHAPTER = 1.5; // weights of what is no text: the title, a term defined here, the chapter's title
  const simplified = new Map(traditional.map(([from, to]) => [from, to])); // each a string of two;

  // English endings, as far as they tell nothing: gates, gated → gat; vanishing → vanish.
  function stem(word) {
    if (!/^[a-z]{4,}$/.test(word)) return word;
    return word
      .replace(/ies$/, "y")
      .replace(/(?<!s|u|ia)s$/, "")
      .replace(/(?<=[aeiouy][a-z]+)(?:ing|ed)$/, "")
      .replace(/([^aeiouls])\1$/, "$1")
      .replace(/(?<=...)e$/, "");
  }

  // Full width, accents, case, traditional characters and endings make no difference.
  const folded = new Map();
  function fold(word) {
    if (!folded.has(word)) {
      const plain = word.normalize("NFKD").replace(/[^\p{L}\p{N}]/gu, "").toLowerCase();
      folded.set(word, stem([...plain].map((letter) => simplified.get(letter) ?? letter).join("")));
    }
    return folded.get(word);
  }

  // The tokens of a text, each with its place; `pair` with the Han character that it follows at once.
  function* tokens(text) {
    let end = -1, before = "";
    for (const { 0: word, index: start } of text.matchAll(TOKEN)) {
      const term = fold(word), han = HAN.test(word);
      if (!term) continue;
      yield { term, han, start, end: start + word.length, pair: han && before && end === start ? before + term : "" };
      [end, before] = [start + word.length, han ? term : ""];
    }
  }
  const key = (text) => " " + [...tokens(text)].map((token) => token.term).join(" ") + " ";

  // term → section → how much of it is there; and, for each section, what it is called and its text as a key.
  const postings = new Map(), called = sections.map(() => []), keys = [], sizes = [];
  function enter(term, number, weight) {
    if (!postings.has(term)) postings.set(term, new Map());
    const places = postings.get(term);
    places.set(number, (places.get(number) ?? 0) + weight);
  }
  function add(text, number, weight) {
    for (const { term, pair } of tokens(text)) {
      enter(term, number, weight);
      if (pair) enter(pair, number, weight);
    }
  }
  sections.forEach(([page, , title, text], number) => {
    add(pages[page][1], number, CHAPTER);
    add(title, number, TITLE);
    add(text, number, 1);
    called[number].push({ key: key(title) });
    keys.push(key(text));
    sizes.push(keys[number].length);
  });
  for (const [number, all, meaning] of names) {
    for (const name of all) {
      add(name, number, NAME / all.length);
      called[number].push({ key: key(name), meaning });
    }
  }
  const average = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const vocabulary = [...postings.keys()];

  // What a question says besides what it asks for.
  const FAINT = "a an and are as at be by can do does for from how i in is it of on or that the this to what when where which " +
    "why with you 什么 为什么 怎么 怎样 如何 哪些";

  // What a query asks for: each term with the terms of the index that stand for it, and how well they do.
  function asked(query) {
    const all = [...tokens(query)];
    const wanted = new Map();
    all.forEach(({ term, han, pair }, i) => {
      if (han && !pair && all[i + 1]?.pair) return; // the pair says it
      const begun = !han && /^\p{L}{3,}$/u.test(term) ? vocabulary.filter((word) => word.startsWith(term)) : [];
      wanted.set(pair || term, new Map([...begun.map((word) => [word, 0.5]), [pair || term, 1]]));
    });
    return wanted;
  }

  const faint = new Set(asked(FAINT).keys());

  // The sections that answer a query, best first: `whole` of them have all of it, and where these are few, others are near it.
  const FEW = 5;
  function find(query) {
    const wanted = asked(query), phrase = key(query);
    const scores = new Map(), covered = new Map();
    let total = 0;
    for (const [want, stands] of wanted) {
      const best = new Map();
      for (const [term, part] of stands)
        for (const [number, weight] of postings.get(term) ?? []) best.set(number, (best.get(number) ?? 0) + part * weight);
      const rarity = Math.log(1 + sections.length / (0.5 + best.size)) * (faint.has(want) ? 0.1 : 1);
      total += rarity;
      for (const [number, weight] of best) {
        const strength = weight / (weight + 0.6 + 0.6 * (sizes[number] / average));
        scores.set(number, (scores.get(number) ?? 0) + rarity * strength);
        covered.set(number, (covered.get(number) ?? 0) + rarity);
      }
    }
    const found = [...scores].map(([number, sum]) => {
      const part = covered.get(number) / total;
      const exact = called[number].find((one) => one.key === phrase);
      const inside = called[number].some((one) => one.key.includes(phrase));
      const score = (sum / total) * part * part + (exact ? 2 : inside ? 0.5 : 0) + (keys[number].includes(phrase) ? 0.25 : 0);
      return { number, score, whole: part > 0.999, meaning: exact?.meaning };
    });
    found.sort((a, b) => b.score - a.score || a.number - b.number);
    const whole = found.filter((one) => one.whole);
    const near = whole.length < FEW ? found.filter((one) => !one.whole && one.score > 0.1).slice(0, FEW) : [];
    return { found: [...whole, ...near], whole: whole.length };
  }

  // The piece of a text that has most of what was asked for, as [text, whether it was asked for] in turn.
  function excerpt(text, query) {
    const stands = new Set([...asked(query).values()].flatMap((terms) => [...terms.keys()]));
    const all = [...tokens(text)];
    const hits = all.filter(({ term, pair, han }, i) =>
      stands.has(term) || (han && (stands.has(pair) || (all[i + 1]?.pair && stands.has(all[i + 1].pair)))));
    const room = HAN.test(text) ? 90 : 200;
    let first = hits[0], most = 0;
    hits.forEach((hit, i) => {
      const near = new Set();
      for (let j = i; j < hits.length && hits[j].end < hit.start + 0.8 * room; j++) near.add(hits[j].term);
      if (near.size > most) [most, first] = [near.size, hit];
    });
    const wish = Math.max(0, (first?.start ?? 0) - 0.2 * room);
    const from = wish && (all.find(({ start }) => start >= wish)?.start ?? 0);
    const to = Math.min(text.length, all.findLast(({ end }) => end <= from + room)?.end ?? room);
    const pieces = [];
    let at = from;
    for (const { start, end } of hits) {
      if (start < at || end > to) continue;
      pieces.push([text.slice(at, start), false], [text.slice(start, end), true]);
      at = end;
    }
    pieces.push([text.slice(at, to), false]);
    return [[from ? "… " : "", false], ...pieces, [to < text.length ? " …" : "", false]].filter(([piece]) => piece);
  }

  return { find, excerpt };
})();

if (typeof document !== "undefined") document.addEventListener("DOMContentLoaded", () => {
  const SHOWN = 40;
  const form = document.querySelector(".bd-search-container form"), [input] = form.getElementsByTagName("input");
  const list = document.querySelector("#search-results ol"), told = document.querySelector("#search-results [role=status]");
  const add = (parent, name, text) => parent.appendChild(Object.assign(document.createElement(name), { textContent: text }));

  function show({ number, meaning }, query) {
    const [page, anchor, title, text] = SEARCH.sections[number], [address, chapter] = SEARCH.pages[page];
    const item = add(list, "li", "");
    add(item, "a", title === chapter ? title : `${chapter} › ${title}`).href = address + (anchor && "#" + anchor);
    if (meaning) add(item, "p", meaning);
    const context = add(item, "p", "");
    context.className = "context";
    for (const [piece, hit] of search.excerpt(text, query)) add(context, hit ? "mark" : "span", piece);
  }

  function answer() {
    const query = input.value.trim(), { found, whole } = search.find(query);
    list.replaceChildren();
    for (const result of found.slice(0, SHOWN)) show(result, query);
    const { none, some, most } = told.dataset;
    told.textContent = query && (whole ? some : found.length ? most : none).replace("{n}", whole || found.length);
  }

  // Answers come while one types; the address keeps the question.
  input.value = new URLSearchParams(location.search).get("q") ?? "";
  const remember = () => {
    const query = input.value.trim();
    history.replaceState(null, "", location.pathname + (query && "?" + new URLSearchParams({ q: query })));
  };
  let pause;
  input.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => (answer(), remember()), 150);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    answer();
    remember();
    list.querySelector("a")?.focus();
  });
  answer();
  input.focus();
  input.select();
});
