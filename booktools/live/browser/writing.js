// One exercise while it is written: its editor, its buttons, what is said of it, and what is kept.
import { editor } from "./editor.js";
import { clear, download } from "./notebook.js";
import { answer, bound, element, marked } from "./said.js";

const GAP = "raise NotImplementedError";
const KEEPING = 300; // milliseconds without a letter, until the text is kept
const PATIENCE = 300; // until it is said that something is going on

export class Writing {
  static #all = [];
  #place; #id; #python; #data; #words; #box; #editor; #loading; #said; #reset;
  #replaced = null; // the text before a reset
  #busy = false;
  #keeping;

  constructor(place, python) {
    this.#place = place;
    this.#id = place.dataset.exercise;
    this.#python = python;
    this.#data = JSON.parse(place.querySelector("script").textContent);
    this.#words = this.#data.words;
    this.#box = this.#build();
    python.addEventListener("progress", ({ detail }) => this.#show(detail));
    addEventListener("pagehide", () => this.#keep());
    Writing.#all.push(this);
  }

  // The editor in place of stub and check. One can begin to write while Python is on its way.
  open() {
    this.#place.classList.add("is-open");
    this.#place.append(this.#box);
    const { field } = this.#editor, gap = this.#text.indexOf(GAP);
    field.focus({ preventScroll: true });
    if (gap >= 0) field.setSelectionRange(gap, gap + GAP.length);
    this.#start();
  }

  #build() {
    const { name, stub, world } = this.#data, words = this.#words;
    const keys = Object.assign(element("p", "live-keys", words.keys), { id: `live-keys-${this.#id}` });
    this.#editor = editor({
      label: words.label.replace("{name}", name), describedBy: keys.id,
      text: localStorage.getItem(`code:${this.#id}`) ?? stub,
      changed: () => this.#changed(), entered: () => this.#check(),
    });
    this.#reset = this.#button("reset", () => this.#resetOrBack());
    this.#loading = element("div", "live-loading",
      element("label", "", element("span", ""), element("progress", "")), this.#button("stop", () => this.#stop()));
    this.#said = element("div", "live-said");
    this.#said.setAttribute("role", "status");
    const licences = Object.assign(element("a", "", words.licences), { href: new URL("LICENCES.txt", import.meta.url) });
    return element("div", "live-box",
      ...(world ? [this.#above(world)] : []), keys, this.#editor.root,
      element("div", "live-tools",
        this.#button("check", () => this.#check()),
        this.#button("hint", () => this.#unfold("fold-hint")),
        this.#button("solution", () => this.#unfold("fold-solution")),
        this.#reset),
      element("div", "live-state", this.#loading, this.#said),
      element("div", "live-rest",
        this.#button("download", () => this.#download()), this.#button("clear", () => this.#clear()), licences));
  }

  #above(world) {
    const names = [...new Set(bound(world))].flatMap((name, k) => [k ? ", " : "", element("code", "", name)]);
    const [before, after] = this.#words.above.split("{names}");
    const code = element("pre", "", element("code", "", world.replace(/\n{3,}/g, "\n\n")));
    code.tabIndex = 0; // it may scroll
    return element("details", "live-above", element("summary", "", before, ...names, after), code);
  }

  #button(word, pressed) {
    return Object.assign(element("button", `live-${word}`, this.#words[word]), { type: "button", onclick: pressed });
  }

  // Python on its way

  async #start() {
    if (!this.#python.ready) {
      this.#show({});
      this.#loading.hidden = false;
      this.#say("");
    }
    try {
      await this.#python.start();
      if (!this.#busy && !this.#loading.hidden) this.#note(this.#words.ready);
    } catch ({ message }) {
      this.#failed(message);
    }
    this.#loading.hidden = true;
  }

  #failed(reason) {
    if (reason !== "stopped") this.#note(this.#words.failed.replace("{reason}", reason));
  }

  #show({ got = 0, all = 0 }) {
    const [label, bar] = this.#loading.firstChild.children;
    const { megabytes, starting } = this.#words;
    const said = (text, bytes) => text.replace(/{\w+}/, (bytes / 1e6).toFixed(1));
    label.textContent = got < all ? said(said(megabytes, got), all) : starting;
    if (got < all) Object.assign(bar, { max: all, value: got });
    else bar.removeAttribute("value");
  }

  // The reader does not want to load it: the page is as it was, and the text is kept.
  #stop() {
    this.#python.stop();
    for (const writing of Writing.#all) writing.#close();
    this.#place.querySelector(".live-offer button").focus({ preventScroll: true });
  }

  #close() {
    this.#keep();
    this.#box.remove();
    this.#place.classList.remove("is-open");
    if (this.#text !== this.#data.stub) this.#place.querySelector(".live-offer button").textContent = this.#words.again;
  }

  // The text

  get #text() {
    return this.#editor.field.value;
  }

  #changed() {
    if (this.#text !== this.#data.stub) this.#forgetReplaced();
    clearTimeout(this.#keeping);
    this.#keeping = setTimeout(() => this.#keep(), KEEPING);
  }

  #keep() {
    clearTimeout(this.#keeping);
    if (this.#text === this.#data.stub) localStorage.removeItem(`code:${this.#id}`);
    else this.#store("code", this.#text);
  }

  #store(name, text) {
    try {
      localStorage.setItem(`${name}:${this.#id}`, text);
    } catch {} // no room
  }

  #resetOrBack() {
    const before = this.#text, back = this.#replaced;
    if (back === null && before === this.#data.stub) return;
    this.#editor.replaceAll(back ?? this.#data.stub);
    if (back === null) {
      this.#replaced = before;
      this.#reset.textContent = this.#words.back;
    }
  }

  #forgetReplaced() {
    this.#replaced = null;
    this.#reset.textContent = this.#words.reset;
  }

  // The answer

  async #check() {
    if (this.#busy) return;
    this.#busy = true;
    this.#keep();
    this.#editor.mark(null);
    this.#box.setAttribute("aria-busy", true);
    this.#said.style.minHeight = `${this.#said.offsetHeight}px`; // what stands below does not move up, and down again
    if (!this.#python.ready) this.#start();
    const late = setTimeout(() => this.#note(this.#words[this.#python.ready ? "checking" : "waiting"]), PATIENCE);
    const { world, seconds } = this.#data, code = this.#text;
    try {
      this.#told(await this.#python.ask({ id: this.#id, code, world }, seconds), code === this.#text);
    } catch ({ message }) {
      this.#failed(message);
    }
    clearTimeout(late);
    this.#busy = false;
    this.#said.style.minHeight = "";
    this.#box.removeAttribute("aria-busy");
  }

  // `fresh`: the text is still the one that was asked about.
  #told(found, fresh) {
    const { slow, broken, passed, line } = found;
    if (slow || broken) {
      const why = slow ? this.#data.slow : this.#words.broken;
      return this.#say("wrong", element("p", "live-error", ...marked(why)), element("p", "", this.#words.afresh));
    }
    this.#say(passed ? "right" : "wrong", ...answer(found, this.#words));
    if (fresh) this.#editor.mark(line);
    if (!passed) return;
    this.#store("solved", "1");
    document.getElementById(this.#id)?.classList.add("is-solved");
  }

  // `state`: right, wrong, or neither.
  #say(state, ...what) {
    this.#said.replaceChildren(...what);
    this.#box.dataset.state = state;
  }

  #note(text) {
    this.#say("", element("p", "", text));
  }

  // Hints and solution stand below, folded, whether one writes here or not.
  #unfold(kind) {
    const folds = [];
    for (let next = this.#place.nextElementSibling; next?.matches(".fold"); next = next.nextElementSibling) folds.push(next);
    const found = folds.filter((fold) => fold.classList.contains(kind));
    const fold = found.find((fold) => !fold.open) ?? found.at(-1);
    if (!fold) return;
    fold.open = true;
    fold.querySelector("summary").focus({ preventScroll: true });
    fold.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  async #download() {
    for (const writing of Writing.#all) writing.#keep();
    try {
      await download(this.#data.notebook);
    } catch ({ message }) {
      this.#note(this.#words.downloading.replace("{reason}", message));
    }
  }

  #clear() {
    if (!confirm(this.#words.sure)) return;
    for (const writing of Writing.#all) {
      writing.#editor.replaceAll(writing.#data.stub);
      writing.#forgetReplaced();
      writing.#note(writing.#words.ready);
    }
    this.#editor.field.focus({ preventScroll: true });
    clear();
    for (const button of document.querySelectorAll(".live-offer button")) button.textContent = button.dataset.write;
  }
}
