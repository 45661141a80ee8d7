// Moves the code out of the link's fragment into the form, and the form to the server: a fragment is never sent by itself.
const code = window.location.hash.slice(1);
if (code) {
  window.history.replaceState(null, "", window.location.pathname);
  const form = document.getElementById("invitation");
  form.elements.namedItem("code").value = code;
  form.requestSubmit();
}
