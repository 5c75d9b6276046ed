// The code stands behind the # of the address, which no server and no log sees, and goes out of the address at once.

const form = document.querySelector("#let-in");
const code = location.hash.slice(1);
if (form && code) {
  history.replaceState(null, "", location.pathname);
  form.elements.key.value = code;
  form.querySelector("button").disabled = false;
} else if (form) {
  document.querySelector("#no-code").hidden = false;
}
