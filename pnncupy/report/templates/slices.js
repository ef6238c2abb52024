/* Volumes: one point, three slices through it, the same in all volumes of a figure. */
for (const slices of document.querySelectorAll(".slices")) {
  const sliders = [...slices.querySelectorAll("input[type=range]")];
  const letters = sliders.map((slider) => slider.closest("label").querySelector("span").textContent);
  /* Axes of the rows and the columns of a slice across each axis. */
  const PLANES = [[1, 2], [0, 2], [1, 0]];

  function show() {
    const point = sliders.map((slider) => Number(slider.value));
    sliders.forEach((slider) => {
      const text = slider.value + " of 0 to " + slider.max;
      slider.closest("label").querySelector("output").textContent = text;
      slider.setAttribute("aria-valuetext", text);
    });
    for (const volume of slices.querySelectorAll("figure")) {
      const sides = volume.dataset.sides.split(" ").map(Number);
      const steps = volume.dataset.steps.split(" ").map(Number);
      /* A smaller volume stays at its last slice. */
      const own = point.map((place, axis) =>
        Math.floor(Math.min(place, sides[axis] - 1) / steps[axis]) * steps[axis]);
      volume.querySelector(".at").textContent =
        letters.map((letter, axis) => letter + " = " + own[axis]).join(", ");
      for (const panel of volume.querySelectorAll(".panel")) {
        const axis = Number(panel.dataset.axis);
        const columns = Number(panel.dataset.columns);
        const number = own[axis] / steps[axis];
        const border = panel.dataset.border.split(" ").map(Number);
        const left = ((number % columns) + border[0]) / columns;
        const top = (Math.floor(number / columns) + border[1]) / Number(panel.dataset.rows);
        panel.querySelector("img").style.transform =
          "translate(" + -100 * left + "%, " + -100 * top + "%)";
        const [down, across] = PLANES[axis];
        panel.style.setProperty("--down", 100 * (own[down] + 0.5) / sides[down] + "%");
        panel.style.setProperty("--across", 100 * (own[across] + 0.5) / sides[across] + "%");
      }
    }
  }

  sliders.forEach((slider) => slider.addEventListener("input", show));
  const lines = slices.querySelector("input[type=checkbox]");
  lines.addEventListener("change", () => slices.classList.toggle("without-lines", !lines.checked));
  show();
}
