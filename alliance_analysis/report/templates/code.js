(function () {
  "use strict";
  var button = document.getElementById("code-switch");
  var folds = document.querySelectorAll("details.code");
  if (!button || !folds.length) { return; }
  var open = false;
  button.hidden = false;
  button.addEventListener("click", function () {
    open = !open;
    folds.forEach(function (fold) { fold.open = open; });
    button.textContent = open ? "Hide all code" : "Show all code";
  });
}());
