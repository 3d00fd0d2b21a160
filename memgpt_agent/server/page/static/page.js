// What the page does beyond htmx: keys, the bottom of a conversation, upload progress. Everything works without it.
"use strict";
(() => {
  const on = (name, act) => document.addEventListener(name, act);

  on("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  on("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      const field = document.querySelector("main [data-shortcut]") || document.querySelector("[data-shortcut]");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches("[data-composer] textarea")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("form textarea:not([data-composer] *)")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  const count = (field) => {
    const told = field.form.querySelector("[data-count]");
    if (told) told.textContent = [...field.value].length.toLocaleString("en") + " of " + Number(field.dataset.limit).toLocaleString("en") + " characters";
  };
  on("input", (event) => { if (event.target.matches("[data-limit]")) count(event.target); });
  const ready = (root) => root.querySelectorAll("[data-limit]").forEach(count);

  const bottom = () => {
    const talk = document.querySelector("[data-bottom]");
    if (talk) window.scrollTo({ top: document.body.scrollHeight });
  };
  const nearBottom = () => window.innerHeight + window.scrollY > document.body.scrollHeight - 240;

  let follows = true;
  on("htmx:sseBeforeMessage", () => { follows = nearBottom(); });
  on("htmx:sseMessage", () => { if (follows) bottom(); });
  on("htmx:afterSettle", (event) => { ready(event.target); });

  on("htmx:xhr:progress", (event) => {
    const bar = event.target.querySelector("progress.upload");
    if (bar && event.detail.lengthComputable) {
      bar.hidden = false;
      bar.value = (100 * event.detail.loaded) / event.detail.total;
    }
  });
  on("htmx:afterRequest", (event) => {
    const form = event.target;
    if (!form.matches || !form.matches("form")) return;
    const bar = form.querySelector("progress.upload");
    if (bar) bar.hidden = true;
    if (form.matches("[data-composer]") && event.detail.successful) {
      form.reset();
      document.querySelectorAll(".talk > .empty").forEach((one) => one.remove());
      document.querySelector("#problem").replaceChildren();
      bottom();
    }
  });
  on("htmx:sendError", () => {
    const told = document.createElement("p");
    told.className = "notice bad";
    told.textContent = "The server cannot be reached. What you typed is still here; try again.";
    document.querySelector("#problem").replaceChildren(told);
  });
  on("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.getResponseHeader("hx-retarget") === "#problem") window.scrollTo({ top: 0 });
  });

  on("DOMContentLoaded", () => {
    ready(document);
    const tab = document.querySelector(".side [aria-current]");
    if (tab) tab.closest("ul").scrollLeft = tab.offsetLeft - 24;
    const found = document.querySelector(".found");
    if (found) found.scrollIntoView({ block: "center" });
    else bottom();
  });
})();
