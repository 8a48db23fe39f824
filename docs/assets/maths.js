// Sets the formulas that arithmatex has marked, with the KaTeX that this site serves.
// A choice that is a formula and nothing else has no words that a screen reader could say: it gets the formula's source.
for (const label of document.querySelectorAll("label")) {
  const input = label.querySelector("input") ?? document.getElementById(label.htmlFor);
  if (input && label.querySelector(".arithmatex")) {
    input.setAttribute("aria-label", label.textContent.replace(/\\[()[\]]/g, "").trim());
  }
}

for (const place of document.querySelectorAll(".arithmatex")) {
  const source = place.textContent.trim();
  const display = source.startsWith("\\[");
  katex.render(source.slice(2, -2), place, { displayMode: display, throwOnError: false });
  if (display) place.tabIndex = 0; // wide formulas scroll, with the keyboard too
}
