"use strict";
/* Tells before the upload that a file is too large; the server refuses it as well. */

document.querySelectorAll("input[data-limit-bytes]").forEach((input) => {
  const limit = Number(input.dataset.limitBytes);
  const megabytes = Math.floor(limit / 1024 / 1024);
  input.addEventListener("change", () => {
    const file = input.files[0];
    const tooLarge = file && file.size > limit;
    input.setCustomValidity(tooLarge ? `The file is larger than ${megabytes} MB.` : "");
    input.reportValidity();
  });
});
