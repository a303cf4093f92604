// What the page does by itself: markers lead to their proof and back, show it, dialogs, the clipboard, the address.
window.sourcier = (() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const behavior = () => (calm.matches ? "auto" : "smooth");
  let origin = null; // the marker that was followed last

  // Markers and other links within the page
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
    hide();
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

  // The quotation of a marker, shown beside it while it is pointed at or has the focus
  const tip = Object.assign(document.createElement("div"), { className: "tip", id: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  let pointed = null;
  let leaving = 0;

  function hide() {
    tip.hidden = true;
    pointed?.removeAttribute("aria-describedby");
    pointed = null;
  }

  const place = (marker) => {
    const at = marker.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const below = at.bottom + size.height + 12 < innerHeight || at.top < size.height + 12;
    tip.style.top = `${below ? at.bottom + 6 : at.top - size.height - 6}px`;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  };

  const show = (marker) => {
    clearTimeout(leaving);
    if (marker === pointed) return;
    hide();
    const mark = document.getElementById(marker.getAttribute("href").slice(1));
    if (!mark) return;
    const card = mark.closest(".card");
    const quote = document.createElement("q");
    quote.textContent = [...mark.childNodes].filter((node) => !node.matches?.(".number")).map((node) => node.textContent).join("");
    const about = document.createElement("p");
    const parts = [card?.querySelector("h3"), ...(card?.querySelectorAll(".about > span, .about > time") ?? [])];
    about.textContent = parts.filter(Boolean).map((part) => part.textContent).join(" · ");
    quote.lang = about.lang = card?.querySelector("h3")?.lang ?? "";
    quote.dir = about.dir = "auto";
    tip.replaceChildren(quote, about);
    if (!tip.isConnected) document.querySelector("main").append(tip);
    tip.hidden = false;
    place(marker);
    marker.setAttribute("aria-describedby", "tip");
    pointed = marker;
  };

  const marked = (event) => event.target.closest?.(".answer a.marker");
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch" && marked(event)) show(marked(event));
    else if (event.target.closest?.(".tip")) clearTimeout(leaving); // it can be pointed at itself
  });
  document.addEventListener("pointerout", (event) => {
    if (!pointed || !(marked(event) || event.target.closest?.(".tip"))) return;
    clearTimeout(leaving);
    leaving = setTimeout(hide, 250);
  });
  document.addEventListener("focusin", (event) => {
    if (marked(event)?.matches(":focus-visible")) show(marked(event));
  });
  document.addEventListener("focusout", (event) => marked(event) && hide());
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", () => pointed && place(pointed), { capture: true, passive: true });

  // Dialogs
  const confirmed = ({ confirm, yes, no }) =>
    new Promise((resolve) => {
      const dialog = Object.assign(document.createElement("dialog"), { className: "confirm" });
      const question = Object.assign(document.createElement("p"), { textContent: confirm, id: "confirm", dir: "auto" });
      const form = Object.assign(document.createElement("form"), { method: "dialog" });
      const refuse = Object.assign(document.createElement("button"), { textContent: no, value: "no" });
      const accept = Object.assign(document.createElement("button"), { textContent: yes, value: "yes", className: "primary" });
      dialog.setAttribute("aria-labelledby", "confirm");
      form.append(refuse, accept);
      dialog.append(question, form);
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "yes");
      });
      document.body.append(dialog);
      dialog.showModal();
    });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-close]") || event.target.matches?.("dialog.reader")) {
      event.target.closest("dialog").close();
    }
  });

  // Where the focus goes: to the box to edit, back to what opened an article whichever version was read, to the
  // beginning of another page of a list, and where what had it is gone, to what came in its place
  let opener = null;
  let turned = false;
  let way = []; // to what has the focus, or had it when it was removed
  document.addEventListener("focusin", (event) => (way = event.composedPath()));
  document.addEventListener("focusout", ({ target }) => setTimeout(() => {
    if (target.isConnected && !target.disabled && document.activeElement === document.body) way = [];
  }));
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("button[data-act]");
    const byKey = event.detail === 0;
    if (
      pressed?.matches('[data-act="edit_question"], [data-act="new_talk"]') ||
      (byKey && event.target.closest?.("#send, #stop")) // each hides itself
    ) {
      document.querySelector("#asking textarea").focus();
    }
    if (pressed?.dataset.act === "read" && !pressed.closest("dialog")) opener = pressed;
    turned = Boolean(pressed?.matches(".pages button"));
  });
  const refocus = (element) => {
    const around = element.closest("#care") ?? element;
    const lost = document.activeElement === document.body && way.includes(around);
    const place = (turned && element.querySelector(".found")) || (lost && around.querySelector(".found, .report, .problem"));
    if (!place) return;
    turned = false;
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
    place.scrollIntoView({ behavior: behavior(), block: "nearest" });
  };

  // What came from the server and wants more than to be seen
  const shown = (element) => {
    const dialog = element.querySelector("dialog[data-open]");
    if (dialog) {
      dialog.showModal();
      const first = dialog.querySelector("mark");
      if (first) first.scrollIntoView({ block: "center" });
      else dialog.scrollTop = 0;
      dialog.querySelector(".reading").focus({ preventScroll: true });
      dialog.addEventListener("close", () => opener?.focus({ preventScroll: true }));
    }
    for (const file of element.querySelectorAll("[data-download]")) {
      const { download, type, content } = file.dataset;
      const address = URL.createObjectURL(new Blob([content], { type }));
      Object.assign(document.createElement("a"), { href: address, download }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    }
    refocus(element);
  };

  const copy = async (button) => {
    if (navigator.clipboard) await navigator.clipboard.writeText(button.dataset.copy);
    else { // over http from another machine
      const text = Object.assign(document.createElement("textarea"), { value: button.dataset.copy });
      button.after(text);
      text.select();
      document.execCommand("copy");
      text.remove();
      button.focus();
    }
    const word = button.textContent;
    button.textContent = button.dataset.done;
    button.setAttribute("aria-live", "polite");
    setTimeout(() => (button.textContent = word), 2000);
  };

  // Forms: {name: [values]}, with what the form itself carries
  const values = (form) => {
    const data = new FormData(form);
    const found = Object.fromEntries([...new Set(data.keys())].map((name) => [name, data.getAll(name)]));
    if (form.dataset.live === "narrow") address({ from: [], to: [], source: [], language: [], ...found });
    return { ...form.dataset, ...found };
  };

  // The question and what narrows it stand in the address, so that they can be sent as a link
  const address = (changes) => {
    const here = new URL(location.href);
    for (const [name, all] of Object.entries(changes)) {
      here.searchParams.delete(name);
      for (const value of all) if (value) here.searchParams.append(name, value);
    }
    history.replaceState(history.state, "", here);
  };

  let newest = ""; // the last question, with its place
  let language = "";
  new MutationObserver(() => {
    const last = [...document.querySelectorAll(".conversation .turn")].pop();
    const question = last?.querySelector(".question").textContent;
    const found = last ? `${last.id} ${question}` : "";
    if (found !== newest) {
      newest = found;
      last?.scrollIntoView({ behavior: behavior(), block: "start" });
      document.getElementById("proof").scrollTop = 0;
      address({ q: last ? [question] : [] });
    }
    const spoken = document.querySelector(".languages [aria-pressed=true]")?.lang;
    if (spoken && spoken !== language) document.documentElement.lang = language = spoken;
  }).observe(document, { childList: true, subtree: true });

  // Files and folders dropped on the page's archive go the way of those that are chosen
  const files = async (entry) => {
    if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return found;
      for (const one of some) found.push(...(await files(one)));
    }
  };
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const chooser = async () => {
    const found = () => document.querySelector("#choosing input[multiple]");
    document.querySelector('[role="tab"][data-tab-id="archive"]')?.click(); // its room is made when it is opened
    for (let tries = 0; !found() && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    return found();
  };
  document.addEventListener("dragover", (event) => {
    if (carries(event)) event.preventDefault();
  });
  document.addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault(); // the browser would leave the page for the file
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const carried = new DataTransfer();
    for (const entry of entries) for (const file of await files(entry)) carried.items.add(file);
    const input = await chooser();
    if (!input) return; // nothing can be added here
    input.files = carried.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  return { confirmed, copy, shown, values };
})();
