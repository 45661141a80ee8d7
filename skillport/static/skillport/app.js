// Everything works without this file. Behaviours hang on data attributes; nothing is evaluated.

// Copy what is in the field that the button names. Without script the field can be selected.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    await navigator.clipboard.writeText(field.value);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  });
}

// Suggest the address while the name is typed, until somebody types an address of their own.
for (const address of document.querySelectorAll("[data-from]")) {
  const name = document.getElementById(address.dataset.from);
  let own = address.value !== "";
  address.addEventListener("input", () => { own = address.value !== ""; });
  name.addEventListener("input", () => {
    if (own) return;
    const plain = name.value.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
    address.value = plain.replace(/[^a-z0-9]+/g, "-").slice(0, 40).replace(/^-+|-+$/g, "");
  });
}

// On a narrow screen the settings' navigation scrolls sideways: begin where one is.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Close an open menu by a click elsewhere or by Escape, with the focus where it was opened.
const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) { menu.open = false; menu.querySelector("summary").focus(); }
});

// Say how far a sync is, and show what came of it as soon as it has ended. Without script there is a link to look again.
for (const notice of document.querySelectorAll("[data-sync]")) {
  const address = new URL(notice.dataset.sync, location.href).href.replace(/^http/, "ws");
  const words = (said) => {
    const told = [said.phase_label + (said.total ? `: ${said.done} of ${said.total} files` : "")];
    if (said.received_bytes) told.push(`${(said.received_bytes / 1024).toFixed(1)} KB received`);
    if (said.findings) told.push(said.findings === 1 ? "1 finding" : `${said.findings} findings`);
    return told.join(", ");
  };
  // Findings are in the page itself, which only those get who may read them: the socket says no more than how many.
  const list = document.querySelector("[data-findings]");
  let shown = Number(list?.dataset.findings);
  const showFindings = async (count) => {
    if (!list || count === shown) return;
    shown = count;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      const newer = page.querySelector("[data-findings]");
      if (newer) list.replaceChildren(...newer.childNodes);
    } catch { /* the end of the sync shows them all */ }
  };
  let pause = 500; // milliseconds until the next try
  const watch = () => {
    const socket = new WebSocket(address);
    socket.addEventListener("message", (event) => {
      const said = JSON.parse(event.data);
      pause = 500;
      // The first frames say where each open sync stands, and which there are: ours has ended when it is not among them.
      if (said.open) {
        if (!said.open.map(String).includes(notice.dataset.run)) location.reload();
      } else if (String(said.sync_run) === notice.dataset.run) {
        if (said.state) location.reload();
        else {
          notice.querySelector("[data-phase]").textContent = words(said);
          showFindings(said.findings);
        }
      }
    });
    socket.addEventListener("close", (event) => {
      if (event.code === 4401) return; // whoever may not look need not ask again
      setTimeout(watch, pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, 30000);
    });
  };
  watch();
}

// Tell each step of a repository's check as it ends. Without script the page that comes after the check has them all.
for (const form of document.querySelectorAll("form[data-check]")) {
  const shown = document.getElementById("checks");
  const broken = shown.querySelector("[data-broken]");
  const buttons = form.querySelectorAll("button");
  const rows = () => [...shown.querySelectorAll("[data-step]")];
  const waiting = rows().map((row) => row.cloneNode(true));
  for (const row of waiting) {
    row.className = "step waiting";
    row.querySelector("use").setAttribute("href", row.querySelector("use").getAttribute("href").replace(/#.*/, "#circle"));
    row.querySelector("div").replaceChildren(row.querySelector("h3"));
    row.querySelector("h3 .vh")?.remove();
  }
  const begin = () => {
    rows().forEach((row, number) => row.replaceWith(waiting[number].cloneNode(true)));
    rows()[0].dataset.running = "";
    shown.hidden = false;
    broken.hidden = true;
    shown.querySelector("h2").focus();
  };
  const tell = (line) => {
    const row = rows().find((one) => one.dataset.step === line.name);
    const next = row.nextElementSibling;
    row.outerHTML = line.html;
    if (line.state !== "failed" && next) next.dataset.running = "";
  };
  const end = () => {
    for (const row of rows()) delete row.dataset.running;
    for (const button of buttons) button.disabled = false;
  };
  // Give every line as it comes, and tell at the end whether the check has passed; undefined when it broke off.
  const follow = async (body) => {
    let rest = "";
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return undefined;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((text) => JSON.parse(text))) {
        if ("passed" in line) return line.passed;
        tell(line);
      }
    }
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const action = event.submitter?.getAttribute("formaction");
    const body = new URLSearchParams(new FormData(form));
    for (const button of buttons) button.disabled = true;
    let passed;
    try {
      const headers = { Accept: "application/x-ndjson" };
      const answer = await fetch(form.dataset.check, { method: "POST", body, headers });
      if (!answer.headers.get("Content-Type").startsWith("application/x-ndjson")) {
        // What was typed is wrong, or somebody has to sign in again: the page itself says so.
        if (action) form.action = action;
        form.submit();
        return;
      }
      begin();
      passed = await follow(answer.body);
    } catch { /* the connection broke */ }
    end();
    shown.hidden = false;
    broken.hidden = passed !== undefined;
    if (passed && !action) {
      form.elements.checked.disabled = false;
      form.submit();
    }
  });
  // The token was for the old address: on another host it has to be entered again.
  shown.addEventListener("click", (event) => {
    const link = event.target.closest("[data-address]");
    if (!link) return;
    event.preventDefault();
    const { url, credential_secret: secret } = form.elements;
    if (!URL.canParse(url.value) || new URL(url.value).origin !== new URL(link.dataset.address).origin) secret.value = "";
    url.value = link.dataset.address;
    url.focus();
  });
}
