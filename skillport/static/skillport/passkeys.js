// Passkeys: ask the browser to make one or to use one, and send what it says as an ordinary form.

const FAULTS = {
  NotAllowedError: "Nothing was done: the browser said no, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys do not work at this address: they need https and the name of a host.",
};

const options = () => JSON.parse(document.getElementById("passkey-options").textContent);
const use = ({ request_options: { publicKey } }) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });

const WAYS = {
  async make(form) {
    const { publicKey } = options().creation_options;
    if (form.elements.passwordless.checked) {
      publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, residentKey: "required", requireResidentKey: true, userVerification: "required" };
    }
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  },
  use: async () => use(options()),
  "sign-in": async (form) => use(await (await fetch(form.action, { headers: { Accept: "application/json" } })).json()),
};

const knownHere = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);
for (const button of document.querySelectorAll("[data-passkey]")) {
  const form = button.closest("form");
  const fault = form.querySelector("[data-passkey-fault]");
  button.hidden = !knownHere;
  form.querySelector("[data-passkey-absent]").hidden = knownHere;
  button.addEventListener("click", async () => {
    fault.hidden = true;
    try {
      form.elements.credential.value = JSON.stringify(await WAYS[button.dataset.passkey](form));
      form.submit();
    } catch (error) {
      fault.textContent = FAULTS[error.name] ?? "That did not work. Load the page again and try once more.";
      fault.hidden = false;
    }
  });
}
