// The page of the sandbox: what the server tells by events is drawn as it comes; what a user does is posted.

import { bubble, element, time } from "./bubbles.js";

const ROWS = 30; // of a log that are shown
const $ = id => document.getElementById(id);
let chosen = decodeURIComponent(location.hash.slice(1));
let stream;
let phones = [];
let sends = [];

function connect() {
  stream?.close();
  sends = [];
  stream = new EventSource(`/_sandbox/events?phone=${encodeURIComponent(chosen)}`);
  stream.addEventListener("open", () => state("live"));
  stream.addEventListener("error", () => state("connecting")); // it comes again by itself, with all that is new
  for (const [name, draw] of Object.entries({ phones: drawPhones, phone: drawTalk, sends: drawSends, webhooks: drawWebhooks, numbers: drawNumbers })) {
    stream.addEventListener(name, event => draw(JSON.parse(event.data)));
  }
}

function state(name) {
  $("state").dataset.state = name;
  $("state").textContent = name;
}

function choose(key) {
  chosen = key;
  location.hash = encodeURIComponent(key);
  $("talk").replaceChildren(element("p", `Write as ${key}.`, "grey"));
  drawPhones(phones);
  connect();
}

function drawPhones(found) {
  phones = found;
  const known = found.some(phone => phone.wa_id === chosen);
  const all = known || !chosen ? found : [{ wa_id: chosen, name: "new user" }, ...found];
  $("phones").replaceChildren(...all.map(phone => {
    const made = element("div", phone.name || phone.wa_id, "phone");
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", String(phone.wa_id === chosen));
    made.id = `phone-${phone.wa_id}`;
    made.dataset.key = phone.wa_id;
    made.append(document.createElement("br"), element("small", `${phone.wa_id}${phone.last_at ? ` · ${time(phone.last_at)}` : ""}`));
    made.addEventListener("click", () => choose(phone.wa_id));
    return made;
  }));
  if (chosen) $("phones").setAttribute("aria-activedescendant", `phone-${chosen}`);
}

function drawTalk(phone) {
  const parts = [], down = atEnd();
  for (const talk of phone.conversations) {
    const open = talk.window.open ? "window open" : "window closed";
    parts.push(element("h2", `${talk.name || ""} ${talk.display_phone_number || talk.phone_number_id} (${open})`, "talk-title"));
    parts.push(...talk.messages.map(message => bubble(message, reply => write({ ...reply, phone_number_id: talk.phone_number_id }))));
  }
  if (parts.length) keep($("talk"), parts);
  $("typing").textContent = phone.conversations.some(talk => talk.typing) ? "typing…" : "";
  const last = phone.conversations.at(-1);
  if (last && !$("number").dataset.touched) $("number").value = last.phone_number_id;
  if (down) $("talk").scrollTop = $("talk").scrollHeight;
}

// Puts parts in place of those that are there, and leaves alone what has not changed: a screen reader says only what is new.
function keep(parent, parts) {
  parts.forEach((part, place) => {
    const there = parent.children[place];
    if (!there) parent.append(part);
    else if (!there.isEqualNode(part)) there.replaceWith(part);
  });
  while (parent.children.length > parts.length) parent.lastElementChild.remove();
}

function atEnd() {
  const talk = $("talk");
  return talk.scrollHeight - talk.scrollTop - talk.clientHeight < 80;
}

function fill(id, rows) {
  $(id).replaceChildren(...rows.map(row => {
    const line = document.createElement("tr");
    line.append(...row.map(cell => element("td", cell)));
    return line;
  }));
}

function drawSends(fresh) {
  sends = [...sends, ...fresh].slice(-ROWS);
  fill("sends", sends.toReversed().map(row => [`#${row.seq}`, time(row.at), row.to, row.type, row.outcome]));
}

function drawWebhooks({ pending, data }) {
  fill("webhooks", data.map(row => [time(row.at), row.fields.join(", "), String(row.try), String(row.result)]));
  $("summary").textContent = pending ? `${pending} with webhooks to come` : "all webhooks are delivered";
}

function drawNumbers(found) {
  const kept = $("number").value;
  $("number").replaceChildren(...found.map(number => {
    const option = element("option", `${number.name} ${number.display_phone_number}`);
    option.value = number.phone_number_id;
    return option;
  }));
  if (kept) $("number").value = kept;
}

async function write(message) {
  const answer = await fetch("/_sandbox/inbound", { method: "POST", body: JSON.stringify({ ...message, from: chosen }) });
  if (!answer.ok) $("summary").textContent = `refused: ${await answer.text()}`;
}

$("meet").addEventListener("submit", event => {
  event.preventDefault();
  const user = $("user").value.replace(/[^0-9A-Za-z.]/g, "");
  $("user").value = "";
  if (user) choose(user);
  $("text").focus();
});

$("answer").addEventListener("submit", event => {
  event.preventDefault();
  if (!chosen) return $("user").focus();
  write({ phone_number_id: $("number").value, type: "text", text: { body: $("text").value } });
  $("text").value = "";
});

$("number").addEventListener("change", () => { $("number").dataset.touched = "yes"; });

$("phones").addEventListener("keydown", event => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const keys = [...$("phones").children].map(each => each.dataset.key);
  if (!step || !keys.length) return;
  event.preventDefault();
  const place = keys.indexOf(chosen);
  choose(keys[place < 0 ? 0 : Math.min(Math.max(place + step, 0), keys.length - 1)]);
});

addEventListener("hashchange", () => {
  const key = decodeURIComponent(location.hash.slice(1));
  if (key !== chosen) choose(key);
});

connect();
