/* What pages do in the browser beside htmx: dialogs, live updates that do not disturb, shortcuts. */
"use strict";

(() => {
  let paused = false;
  const live = () => document.getElementById("live");
  const connection = (text) => {
    const line = document.getElementById("connection");
    if (line.textContent !== text) line.textContent = text;
  };

  /* Nothing is replaced under a reader who selects text or rows, or answers a dialog. */
  const isBusy = () => {
    const part = live(), selection = document.getSelection();
    return paused || document.hidden || document.querySelector("dialog[open]") !== null ||
      part.querySelector("input:checked, input:focus, select:focus, pre:focus, .scroll:focus") !== null ||
      (!selection.isCollapsed && part.contains(selection.anchorNode));
  };

  for (const event of ["htmx:beforeRequest", "htmx:beforeSwap"]) {
    document.addEventListener(event, (happened) => {
      if (isBusy()) happened.preventDefault();
    });
  }
  document.addEventListener("htmx:sendError", () => connection("The server does not answer."));
  document.addEventListener("htmx:afterRequest", (event) => {
    const status = event.detail.xhr ? event.detail.xhr.status : 0;
    if (status >= 500) connection("The server cannot answer at present.");
    else if (status) connection("");
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
    if (button.hasAttribute("data-close")) button.closest("dialog").close();
    if (button.hasAttribute("data-pause")) {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.hasAttribute("data-select-all")) {
      for (const box of document.querySelectorAll("input[name=task]")) box.checked = event.target.checked;
    }
  });

  /* A form is sent once. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "true";
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select") !== null;
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && !isTyping && search) {
      event.preventDefault();
      search.focus();
    }
  });
})();
