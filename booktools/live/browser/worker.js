// Python, in a worker of the page: it comes from this folder, then runs and checks what it is asked to, one after another.
// Sent: {got, all}, bytes while they come; {ready}; {answer, full}, what rnnbook/check/page.py says, and whether this worker
// should end, since it never gives memory back; {broken}, the reason.
const here = new URL("./", import.meta.url);
const MUCH = 1 << 29; // bytes of memory
const coming = new Map(); // file → the promise of its answer: all are asked for at once
const ask = self.fetch.bind(self);
let got = 0, all = 0, told = 0;

const fail = (error) => postMessage({ broken: String(error?.message ?? error).trim().split("\n").at(-1) });

function count(bytes) {
  got += bytes;
  if (performance.now() < told + 100 && got < all) return;
  told = performance.now();
  postMessage({ got, all });
}

// The answer itself is handed on untouched: browsers keep what they compile of it. A copy is counted.
async function counted(name) {
  const answer = await ask(new URL(name, here));
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  const reader = answer.clone().body.getReader();
  const next = async ({ value, done }) => {
    if (done) return;
    count(value.length);
    return reader.read().then(next);
  };
  reader.read().then(next).catch(fail);
  return answer;
}

// Pyodide asks for its files by their addresses; it gets those that are on their way.
self.fetch = (address, ...options) => coming.get(new URL(address, here).href.slice(here.href.length)) ?? ask(address, ...options);

async function start() {
  const sizes = await (await ask(new URL("files.json", here))).json();
  for (const name in sizes) {
    all += sizes[name];
    if (!/\.m?js$/.test(name)) coming.set(name, counted(name)); // scripts are imported, not fetched
  }
  for (const answer of coming.values()) answer.catch(fail); // Pyodide would wait for ever
  const imported = async (name) => {
    const module = await import(new URL(name, here));
    count(sizes[name]);
    return module;
  };
  const [{ loadPyodide }] = await Promise.all([imported("pyodide.mjs"), imported("pyodide.asm.js")]);
  const python = await loadPyodide({ indexURL: here.href, packages: ["numpy"] });
  python.unpackArchive(await (await coming.get("check.zip")).arrayBuffer(), "zip");
  coming.clear();
  python.setStdin({ error: true }); // nobody answers
  const answered = python.runPython("import numpy\nfrom rnnbook.check.page import answered\nanswered");
  return (...given) => ({ answer: JSON.parse(answered(...given)), full: python._module.HEAP8.length > MUCH });
}

const answered = start();
answered.then(() => postMessage({ ready: true }), fail);
onmessage = async ({ data: { id, code, world } }) => {
  try {
    postMessage((await answered)(id, code, world));
  } catch (error) {
    fail(error);
  }
};
