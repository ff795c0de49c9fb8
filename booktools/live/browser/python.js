// The page's Python: one worker for all of its exercises. What runs too long, or breaks it, ends the worker; a fresh one
// starts at once, from files that the browser has by then.
const GRACE = 1; // seconds, for the check itself

export class Python extends EventTarget {
  #worker = null;
  #starting = null; // the promise that it can answer
  ready = false; // whether it can
  #heard = () => {}; // what to do with the worker's next answer
  #turn = Promise.resolve(); // of whoever asked last

  // Resolves once there is an answering worker. Rejects where its files cannot be had, and where it is stopped.
  start() {
    return (this.#starting ??= new Promise((ready, failed) => {
      const worker = (this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" }));
      this.#heard = ({ broken }) => {
        failed(new Error(broken));
        if (worker === this.#worker) this.stop();
      };
      worker.onmessage = ({ data }) => {
        if (data.all) this.dispatchEvent(new CustomEvent("progress", { detail: data }));
        else if (data.ready) ready((this.ready = true));
        else this.#heard(data);
      };
      worker.onerror = ({ message }) => this.#heard({ broken: message ?? "worker.js" });
    }));
  }

  stop() {
    this.#worker?.terminate();
    const heard = this.#heard;
    this.#worker = this.#starting = null;
    this.ready = false;
    this.#heard = () => {};
    heard({ broken: "stopped" });
  }

  // What the check says of a text: {passed, html, printed, error, line}, or {slow} or {broken} where it was ended.
  // Requests wait for each other. Rejects where there is no Python.
  ask(request, seconds) {
    const answer = this.#turn.then(async () => {
      await this.start();
      const { answer, full, ...ended } = await new Promise((heard) => {
        const limit = setTimeout(() => this.#heard({ slow: true }), 1000 * (seconds + GRACE));
        const idle = this.#heard;
        this.#heard = (data) => {
          clearTimeout(limit);
          this.#heard = idle;
          heard(data);
        };
        this.#worker.postMessage(request);
      });
      if (!answer || full) {
        this.stop();
        this.start().catch(() => {}); // the next to ask hears of it
      }
      return answer ?? ended;
    });
    this.#turn = answer.catch(() => {});
    return answer;
  }
}
