(function () {
  "use strict";
  var boxes = document.querySelectorAll(".box");
  function hint() {
    boxes.forEach(function (box) {
      box.classList.toggle("scrolls", box.scrollWidth > box.clientWidth + 1);
      box.classList.toggle("more", box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    });
  }
  boxes.forEach(function (box) { box.addEventListener("scroll", hint, { passive: true }); });
  window.addEventListener("resize", hint);
  window.addEventListener("load", hint);
  var filter = document.querySelector(".filter");
  if (filter) {
    var choices = filter.querySelectorAll("button");
    filter.hidden = false;
    choices.forEach(function (choice) {
      choice.addEventListener("click", function () {
        choices.forEach(function (other) { other.setAttribute("aria-pressed", String(other === choice)); });
        document.querySelectorAll(".questions > li").forEach(function (item) {
          item.hidden = Boolean(choice.dataset.show) && !item.classList.contains(choice.dataset.show);
        });
      });
    });
  }
  var button = document.getElementById("code-switch");
  var folds = document.querySelectorAll("details.code");
  folds.forEach(function (fold) { fold.addEventListener("toggle", hint); });
  if (!button || !folds.length) { return; }
  var open = false;
  button.hidden = false;
  button.addEventListener("click", function () {
    open = !open;
    folds.forEach(function (fold) { fold.open = open; });
    button.textContent = open ? "Hide all code" : "Show all code";
  });
}());
