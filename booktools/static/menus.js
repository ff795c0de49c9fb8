// What pages use of the theme's Bootstrap, which is eighty times as long: menus in the header, and the way back to the top.
document.addEventListener("DOMContentLoaded", () => {
  const buttons = [...document.querySelectorAll("[data-bs-toggle=dropdown]")];
  const menu = (button) => button.nextElementSibling;
  const isOpen = (button) => menu(button).classList.contains("show");
  const show = (button, open) => {
    menu(button).classList.toggle("show", open);
    button.setAttribute("aria-expanded", open);
  };
  const close = () => buttons.filter(isOpen).forEach((button) => show(button, false));

  addEventListener("click", (event) => {
    const pressed = buttons.find((button) => button.contains(event.target));
    const open = pressed && !isOpen(pressed);
    close();
    if (open) show(pressed, true);
  });
  for (const button of buttons)
    button.parentNode.addEventListener("keydown", (event) => {
      const places = [button, ...menu(button).querySelectorAll("a, button")];
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape" && isOpen(button)) {
        close();
        button.focus();
      } else if (step) {
        event.preventDefault();
        show(button, true);
        places[(places.indexOf(document.activeElement) + step + places.length) % places.length].focus();
      }
    });
  addEventListener("focusin", (event) => {
    for (const button of buttons) if (isOpen(button) && !button.parentNode.contains(event.target)) show(button, false);
  });

  const up = document.getElementById("pst-back-to-top");
  let last = scrollY;
  up?.addEventListener("click", () => scrollTo(0, 0));
  addEventListener("scroll", () => {
    if (up) up.style.display = scrollY < last && scrollY > innerHeight ? "block" : "none";
    last = scrollY;
  }, { passive: true });
});
