"use strict";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/* A viewer: one picture of several is visible; the pyramid and the index map belong to the result. */
for (const viewer of document.querySelectorAll(".viewer")) {
  const stage = viewer.querySelector(".stage");
  const layers = [...viewer.querySelectorAll(".layer")];
  const levels = [...viewer.querySelectorAll(".level")];
  const overlay = viewer.querySelector(".overlay");
  const radios = [...viewer.querySelectorAll(".flicker input")];
  const slider = viewer.querySelector("input[type=range]");
  const output = viewer.querySelector("output");
  const checkbox = viewer.querySelector(".index input");
  const result = Number(viewer.dataset.result);
  const fullSize = output ? output.textContent : "";
  let withIndex = false;

  const visible = () => stage.querySelector("img:not([hidden])");

  function show() {
    const chosen = radios.findIndex((radio) => radio.checked);
    const level = slider ? Number(slider.value) : levels.length;
    const isResult = chosen === result;
    layers.forEach((image, number) => {
      image.hidden = number !== chosen || (isResult && level < levels.length);
    });
    levels.forEach((image, number) => {
      image.hidden = !(isResult && number === level);
    });
    /* The box tells what is seen; back at the result, the index map is there again. */
    if (checkbox) {
      checkbox.checked = withIndex && isResult && level === levels.length;
      overlay.hidden = !checkbox.checked;
    }
    if (slider) {
      const text = level < levels.length ? levels[level].dataset.text : fullSize;
      output.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }
    stage.setAttribute("aria-label", "Enlarge: " + visible().alt);
  }

  function choose(number) {
    radios[number].checked = true;
    show();
  }

  radios.forEach((radio) => radio.addEventListener("change", show));
  /* What belongs to the result brings the result back. */
  slider?.addEventListener("input", () => choose(result));
  checkbox?.addEventListener("change", () => {
    withIndex = checkbox.checked;
    if (withIndex && slider) slider.value = slider.max;
    choose(result);
  });
  stage.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const chosen = radios.findIndex((radio) => radio.checked);
    choose((chosen + step + radios.length) % radios.length);
  });
  stage.addEventListener("click", () => {
    const pictures = layers.includes(visible()) ? layers : [visible()];
    enlarge(pictures, pictures.indexOf(visible()), stage);
  });
  show();
}

/* Thumbnails enlarge, and their neighbours follow by the arrow keys. */
for (const button of document.querySelectorAll(".thumbnail")) {
  button.addEventListener("click", () => {
    const buttons = [...document.querySelectorAll(".thumbnail")]
      .filter((each) => each.dataset.group === button.dataset.group);
    enlarge(buttons.map((each) => each.querySelector("img")), buttons.indexOf(button), button);
  });
}

const dialog = document.getElementById("enlarged");
const enlarged = { pictures: [], number: 0, opener: null };

function enlarge(pictures, number, opener) {
  Object.assign(enlarged, { pictures, number, opener });
  const single = pictures.length < 2;
  document.getElementById("enlarged-previous").hidden = single;
  document.getElementById("enlarged-next").hidden = single;
  move(0);
  dialog.showModal();
}

function move(step) {
  const count = enlarged.pictures.length;
  enlarged.number = (enlarged.number + step + count) % count;
  const image = enlarged.pictures[enlarged.number];
  const picture = document.getElementById("enlarged-picture");
  picture.src = image.getAttribute("src");
  picture.alt = image.alt;
  picture.style.imageRendering = image.classList.contains("level") ? "pixelated" : "auto";
  document.getElementById("enlarged-caption").textContent = image.alt;
  const original = document.getElementById("enlarged-original");
  original.hidden = !image.dataset.original;
  original.href = image.dataset.original || "#";
}

document.getElementById("enlarged-previous").addEventListener("click", () => move(-1));
document.getElementById("enlarged-next").addEventListener("click", () => move(1));
document.getElementById("enlarged-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener("keydown", (event) => {
  if (STEPS[event.key]) {
    event.preventDefault();
    move(STEPS[event.key]);
  }
});
dialog.addEventListener("close", () => enlarged.opener?.focus());
