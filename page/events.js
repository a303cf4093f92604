// What is pressed, sent or chosen in the page's own HTML becomes an event of its Gradio component.
// The names: "ask" "read" "retry" "edit_question" "rate" "note" "earlier" "choose_language" "narrow" "browse"
// "turn_page" "paste" "stop_adding" "remove_article" "undo" "verify" "rollback" "new_talk" "search_talks"
// "turn_talks" "open_talk" "rename_talk" "delete_talk" "delete_talks" "export_talk" "export_ratings"
const page = window.sourcier;

element.addEventListener("click", async (event) => {
  const pressed = event.target.closest("button[data-act]");
  if (!pressed) return;
  const data = { ...pressed.dataset };
  if (data.act === "copy") return page.copy(pressed);
  if (data.confirm && !(await page.confirmed(data))) return;
  trigger(data.act, data);
});

element.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  trigger(form.dataset.live ?? form.dataset.submit ?? form.dataset.act, page.values(form));
  if (form.dataset.submit === "paste") form.reset();
});

element.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form || ["search", "text"].includes(event.target.type)) return;
  trigger(form.dataset.live, page.values(form));
});

element.addEventListener("reset", (event) => {
  event.preventDefault(); // it would go back to what the page was opened with
  const form = event.target;
  for (const input of form.elements) {
    if (input.type === "checkbox") input.checked = false;
    else if (input.name) input.value = "";
  }
  trigger(form.dataset.live, page.values(form));
});

watch("value", () => page.shown(element));
