// Where a browser lets nothing be kept (cookies off, a sandboxed frame, a full disk), what is kept lasts as long as the page.
for (const storage of ["localStorage", "sessionStorage"]) {
  let kept;
  try {
    kept = window[storage];
    kept.setItem("storage", "");
    kept.removeItem("storage");
  } catch {
    const here = new Map();
    const value = {
      getItem: (name) => here.get(name) ?? kept?.getItem(name) ?? null,
      setItem: (name, text) => here.set(name, String(text)),
      removeItem: (name) => here.delete(name),
    };
    Object.defineProperty(window, storage, { value });
  }
}
