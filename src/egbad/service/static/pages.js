// Keys of the review pages, and files that are dropped on the page "Try". Every page works without this file, except for files.
"use strict";

(() => {
  const find = (selector) => document.querySelector(selector);
  const cards = () => [...document.querySelectorAll("[data-item]")];
  const reviewed = []; // ids of cards, the newest last

  function announce(text) {
    find("#status").textContent = text;
  }

  function showProblem(text) {
    const box = find("#problem");
    box.textContent = text;
    box.hidden = !text;
  }

  function select(card) {
    for (const other of document.querySelectorAll("[data-item].current")) other.classList.remove("current");
    if (!card) return;
    card.classList.add("current");
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  const current = () => find("[data-item].current") || document.activeElement?.closest("[data-item]");
  const waiting = (from) => from.find((card) => card.dataset.state === "waiting");

  function move(step) {
    const all = cards();
    const at = all.indexOf(current());
    select(all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)]);
  }

  function press(card, verdict) {
    card?.querySelector(`button[name=verdict][value=${verdict}]`)?.click();
  }

  function undo() {
    const card = current();
    if (card && card.dataset.state !== "waiting") return press(card, "undone");
    press(document.getElementById(reviewed.at(-1) || ""), "undone");
  }

  const actions = {
    j: () => move(1),
    k: () => move(-1),
    c: () => press(current() || waiting(cards()), "confirmed"),
    d: () => press(current() || waiting(cards()), "dismissed"),
    u: undo,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea") || find("#shortcuts")?.checked === false) return;
    const action = actions[event.key];
    if (action && cards().length) {
      event.preventDefault();
      action();
    }
  });

  document.addEventListener("focusin", (event) => {
    const card = event.target.closest("[data-item]");
    if (card && !card.classList.contains("current")) {
      for (const other of document.querySelectorAll("[data-item].current")) other.classList.remove("current");
      card.classList.add("current");
    }
  });

  // The card of an item comes back after a review.
  document.addEventListener("htmx:load", (event) => {
    const card = event.detail.elt;
    if (!card.matches("[data-item]") || !card.dataset.status) return;
    showProblem("");
    announce(card.dataset.status);
    const at = reviewed.indexOf(card.id);
    if (at >= 0) reviewed.splice(at, 1);
    if (card.dataset.state === "waiting") return select(card);
    reviewed.push(card.id);
    const all = cards();
    select(waiting(all.slice(all.indexOf(card) + 1)) || card);
  });

  // The numbers for a position of the slider come back.
  document.addEventListener("htmx:load", (event) => {
    const flags = event.detail.elt;
    if (!flags.matches("#flags")) return;
    showProblem("");
    find("#alpha-value").textContent = flags.dataset.value;
    find("#alpha-step").setAttribute("aria-valuetext", flags.dataset.value);
    announce(flags.dataset.announce);
  });

  document.addEventListener("htmx:responseError", (event) => {
    let detail = "";
    try {
      detail = JSON.parse(event.detail.xhr.responseText).detail;
    } catch {
      detail = document.body.dataset.unreachable;
    }
    showProblem(detail);
  });
  document.addEventListener("htmx:sendError", () => showProblem(document.body.dataset.unreachable));

  const shortcuts = find("#shortcuts");
  if (shortcuts) {
    shortcuts.checked = localStorage.getItem("egbad-shortcuts") !== "off";
    shortcuts.addEventListener("change", () => localStorage.setItem("egbad-shortcuts", shortcuts.checked ? "on" : "off"));
  }
  for (const element of document.querySelectorAll(".script-only")) element.hidden = false;

  // Files on the page "Try": one request for each, one after the other.
  const types = { csv: "text/csv", tsv: "text/tab-separated-values", parquet: "application/vnd.apache.parquet", zip: "application/zip" };
  const drop = find("#drop");

  async function scoreFile(file) {
    const address = new URL(drop.dataset.address, location.href);
    address.searchParams.set("model", find("#try-model").value);
    address.searchParams.set("name", file.name.slice(0, 200));
    const type = types[file.name.split(".").pop().toLowerCase()] || file.type || "image/png";
    const headers = { "Content-Type": type, "X-CSRF-Token": find("form.try [name=csrf]").value, "HX-Request": "true" };
    const answer = await fetch(address, { method: "POST", headers, body: file });
    const redirect = answer.headers.get("HX-Redirect");
    if (redirect) return location.assign(redirect);
    if (!answer.ok) throw new Error(`${file.name}: ${(await answer.json()).detail}`);
    find("#results").insertAdjacentHTML("afterbegin", await answer.text()); // the service has escaped all values
    announce(find("#results section").dataset.announce);
  }

  async function scoreFiles(files) {
    showProblem("");
    const problems = [];
    for (const file of files) {
      try {
        await scoreFile(file);
      } catch (error) {
        problems.push(error instanceof TypeError ? document.body.dataset.unreachable : error.message);
        showProblem(problems.join("\n"));
      }
    }
  }

  if (drop) {
    find("#files").addEventListener("change", (event) => {
      scoreFiles([...event.target.files]).then(() => (event.target.value = ""));
    });
    for (const kind of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(kind, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        drop.classList.toggle("over", kind === "dragover");
        if (kind === "drop") scoreFiles([...event.dataTransfer.files]);
      });
    }
  }
})();
