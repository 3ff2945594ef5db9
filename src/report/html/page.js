// Narrows the cases of the page down, and takes in what happens while a run goes on.
(() => {
  "use strict";
  const at = (id) => document.getElementById(id);
  const form = at("filters");
  const words = new WeakMap();
  const wordsOf = (part) => {
    if (!words.has(part)) words.set(part, part.firstElementChild.textContent.toLowerCase());
    return words.get(part);
  };

  const narrow = () => {
    const wanted = at("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [backend, group] = [at("fb").value, at("fg").value];
    const buttons = Array.from(form.querySelectorAll("[name=r]"));
    const ranks = new Set(buttons.filter((one) => one.ariaPressed === "true").map((one) => one.value));
    const counts = new Map();
    let shown = 0, all = 0;
    for (const section of document.querySelectorAll("main > section")) {
      let here = 0;
      for (const part of section.querySelectorAll(".c")) {
        const { b, g, r } = part.dataset;
        counts.set(r, (counts.get(r) || 0) + 1);
        const fits = (!backend || b === backend) && (!group || g.split(" ").includes(group)) && ranks.has(r)
          && wanted.every((word) => wordsOf(part).includes(word));
        part.hidden = !fits;
        here += fits;
        all += 1;
      }
      section.hidden = here === 0;
      shown += here;
    }
    for (const button of buttons) {
      const count = counts.get(button.value) || 0;
      button.lastElementChild.textContent = count;
      button.hidden = count === 0;
    }
    if (shown < all) document.querySelectorAll(".all").forEach((one) => { one.open = true; });
    at("count").textContent = shown === all ? `${all} cases` : `${shown} of ${all} cases`;
  };

  const open = () => {
    const part = location.hash && at(decodeURIComponent(location.hash.slice(1)));
    if (!part) return;
    for (let one = part; one; one = one.parentElement) if (one.matches("details")) one.open = true;
    part.scrollIntoView();
  };

  form.hidden = false;
  form.addEventListener("input", narrow);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[name=r]");
    if (!button) return;
    button.ariaPressed = String(button.ariaPressed !== "true");
    narrow();
  });
  form.addEventListener("reset", () => {
    form.querySelectorAll("[name=r]").forEach((button) => { button.ariaPressed = "true"; });
    setTimeout(narrow);
  });
  const withCopy = (within) => within.querySelectorAll(".copy").forEach((button) => { button.hidden = false; });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
  withCopy(document);
  at("grid").addEventListener("click", (event) => {
    const cell = event.target.closest("a[data-b]");
    if (!cell) return;
    event.preventDefault();
    at("fb").value = cell.dataset.b;
    at("fg").value = cell.dataset.g;
    narrow();
    form.scrollIntoView();
  });
  addEventListener("hashchange", open);
  open();
  narrow();

  if (!("live" in document.body.dataset)) return;
  const main = document.querySelector("main");
  const place = (section, part) => {
    const after = (other) => Number(other.dataset.r) > Number(part.dataset.r)
      || (other.dataset.r === part.dataset.r && other.id > part.id);
    const next = Array.from(section.querySelectorAll(":scope > .c")).find(after);
    withCopy(part);
    section.insertBefore(part, next || null);
  };
  const made = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };
  const source = new EventSource(`events?after=${document.body.dataset.live}`);
  source.addEventListener("part", (event) => {
    const { section, heading, html } = JSON.parse(event.data);
    let target = at(`b${section}`);
    if (!target) {
      target = document.createElement("section");
      target.id = `b${section}`;
      target.dataset.b = section;
      target.append(made(heading));
      main.append(target);
      at("fb").append(new Option(target.querySelector("h2").textContent, section));
    }
    for (const part of Array.from(made(html).children)) {
      at(part.id)?.remove();
      place(target, part);
    }
  });
  source.addEventListener("told", (event) => {
    const { told, grid, title } = JSON.parse(event.data);
    at("told").replaceWith(made(told));
    at("grid").replaceChildren(made(grid));
    document.title = title;
    narrow();
  });
  source.addEventListener("over", () => source.close());
})();
