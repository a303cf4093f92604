// A marker leads to its source, a source back to its marker, and a new question comes into view.
(() => {
  let origin = null;
  const behavior = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

  const reveal = (target) => {
    for (let node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
    (target.closest(".card, .turn") ?? target).focus({ preventScroll: true });
    target.scrollIntoView({ behavior: behavior(), block: target.matches(".turn") ? "start" : "center" });
    target.classList.remove("flash");
    void target.offsetWidth; // restarts the animation
    target.classList.add("flash");
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('.conversation a[href^="#"], .sources a[href^="#"]');
    if (!link) return;
    event.preventDefault(); // Gradio's <base> would make a fragment leave the page
    if (link.matches(".back") && origin?.isConnected) {
      origin.scrollIntoView({ behavior: behavior(), block: "center" });
      origin.focus({ preventScroll: true });
      return;
    }
    const target = document.getElementById(link.getAttribute("href").slice(1));
    if (!target) return;
    if (!link.matches(".back")) origin = link;
    reveal(target);
  });

  let turns = 0;
  new MutationObserver(() => {
    const found = document.querySelectorAll(".conversation .turn");
    if (found.length > turns) {
      found[found.length - 1].scrollIntoView({ behavior: behavior(), block: "start" });
      document.getElementById("sources").scrollTop = 0;
    }
    turns = found.length;
  }).observe(document.body, { childList: true, subtree: true });
})();
