// Chooses among the readings of the page. What is chosen stands in the address, so that it can be sent to others.
const filters = document.getElementById("filters");
if (filters) {
  const readings = [...document.querySelectorAll("li.reading")];
  const groups = [...document.querySelectorAll("h2.reading-group")];
  const told = document.getElementById("filtered");
  const names = ["kind", "level", "module", "origin"];

  const show = () => {
    const wanted = names.map((name) => [name, filters.elements[name].value]).filter(([, value]) => value);
    let count = 0;
    for (const reading of readings) {
      const fits = wanted.every(([name, value]) => reading.dataset[name] === value);
      reading.hidden = !fits;
      count += fits;
    }
    for (const group of groups) {
      const list = group.nextElementSibling;
      const empty = [...list.children].every((reading) => reading.hidden);
      group.hidden = list.hidden = empty;
    }
    told.textContent = `${count} of ${readings.length} readings`;
    const query = new URLSearchParams(wanted).toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  };

  const asked = new URLSearchParams(location.search);
  for (const name of names) filters.elements[name].value = asked.get(name) ?? "";
  filters.addEventListener("change", show);
  filters.addEventListener("reset", () => setTimeout(show));
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.hidden = false;
  show();
}
