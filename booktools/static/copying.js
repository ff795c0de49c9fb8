// Formulas are copied as TeX: in a selection, and as a whole with the button that a numbered or displayed one shows.
{
  const boundary = (node) => (node.closest ? node : node.parentNode).closest(".katex-display, .katex");
  const source = (formula) => formula.querySelector("annotation").textContent.trim();

  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (selection.isCollapsed || !event.clipboardData) return;
    const range = selection.getRangeAt(0).cloneRange();
    const [first, last] = [range.startContainer, range.endContainer].map(boundary);
    if (first) range.setStartBefore(first);
    if (last) range.setEndAfter(last);
    const copied = Object.assign(document.createElement("div"), { className: "copied" });
    copied.append(range.cloneContents());
    if (!copied.querySelector(".katex annotation")) return;
    for (const formula of copied.querySelectorAll(".katex-display")) formula.replaceWith(`$$\n${source(formula)}\n$$`);
    for (const formula of copied.querySelectorAll(".katex")) formula.replaceWith(`$${source(formula)}$`);
    for (const mark of copied.querySelectorAll(".headerlink, .copy-formula")) mark.remove();
    document.body.append(copied); // innerText knows lines only of what is laid out
    event.clipboardData.setData("text/plain", copied.innerText);
    event.clipboardData.setData("text/html", copied.innerHTML);
    copied.remove();
    event.preventDefault();
  });

  // One button, which moves to the formula under the pointer.
  const chinese = document.documentElement.lang.startsWith("zh");
  const button = Object.assign(document.createElement("button"), {
    type: "button", className: "copy-formula", textContent: "TeX", title: chinese ? "复制 TeX 源码" : "Copy as TeX",
  });
  document.addEventListener("pointerover", (event) => {
    const formula = event.target.closest?.(".formula");
    if (!formula || formula.contains(button)) return;
    button.textContent = "TeX";
    formula.append(button);
  });
  button.onclick = () => {
    getSelection().selectAllChildren(button.parentNode.querySelector(".katex-display"));
    button.textContent = document.execCommand("copy") ? "✓" : "–";
    getSelection().removeAllRanges();
  };
}
