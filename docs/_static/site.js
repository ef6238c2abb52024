// The theme's buttons that open a part of the navigation have no text: name them after their link.
document.addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("details > summary")) {
    const link = summary.closest("li")?.querySelector("a");
    if (link && !summary.textContent.trim()) {
      summary.setAttribute("aria-label", `Pages of ${link.textContent.trim()}`);
    }
  }
});
