// Messages as a phone shows them. Everything that a user or a business wrote goes in as text, never as HTML.

const TICKS = { accepted: "🕓", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "⚠" };
const SAID = { accepted: "on its way", sent: "sent", delivered: "delivered", read: "read", failed: "not delivered" };

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function time(at) {
  return new Date(at).toLocaleTimeString();
}

// Returns the bubble of a message; `tap` is called with the message of a user who taps one of its choices.
export function bubble(message, tap) {
  const made = element("div", words(message), `bubble ${message.direction}`);
  made.dataset.wamid = message.wamid;
  const ours = message.direction === "to_user";
  const meta = element("small", `${time(message.at)}${ours ? ` ${TICKS[message.status] || message.status}` : ""}`, "meta");
  if (ours) {
    meta.classList.add(message.status);
    meta.setAttribute("aria-label", `${time(message.at)}, ${SAID[message.status] || message.status}`);
  }
  const found = ours ? choices(message) : [];
  if (found.length) {
    const list = element("div", undefined, "choices");
    for (const choice of found) {
      const button = element("button", choice.label);
      button.type = "button";
      button.addEventListener("click", () => tap({ ...choice.message, context: { id: message.wamid } }));
      list.append(button);
    }
    made.append(list);
  }
  made.append(link(message), meta);
  return made;
}

function words(message) {
  const content = message.content || {};
  switch (message.type) {
    case "text": return content.body;
    case "reaction": return content.emoji ? `reacted ${content.emoji}` : "took a reaction back";
    case "button": return `▸ ${content.text}`;
    case "interactive": return interactive(content);
    case "template": return template(content);
    case "location": return ["📍", content.name, content.address, `${content.latitude}, ${content.longitude}`].filter(Boolean).join(" ");
    case "contacts": return `👤 ${[content].flat().map(each => each.name?.formatted_name || "contact").join(", ")}`;
    default: return `[${message.type}] ${content.caption || content.filename || ""}`.trim();
  }
}

function interactive(content) {
  const reply = content.button_reply || content.list_reply;
  if (reply) return `▸ ${reply.title}`;
  const parts = [content.header?.text, content.body?.text, content.footer?.text].filter(Boolean);
  const button = content.action?.button || content.action?.parameters?.display_text;
  return [...parts, ...(button ? [`☰ ${button}`] : [])].join("\n") || `[${content.type}]`;
}

function template(content) {
  const values = (content.components || [])
    .flatMap(part => part.parameters || [])
    .map(value => value.text || value.payload || value.type);
  return [`[template ${content.name}, ${content.language?.code || ""}]`, ...values].join("\n");
}

// What can be tapped in a message of the business's, each with the message that Meta's webhook carries then.
function choices(message) {
  const content = message.content || {};
  if (message.type === "interactive") {
    const buttons = (content.action?.buttons || []).map(each => each.reply);
    const rows = (content.action?.sections || []).flatMap(section => section.rows || []);
    const as = kind => each => ({
      label: each.title,
      message: { type: "interactive", interactive: { type: kind, [kind]: pick(each, "id", "title", "description") } },
    });
    return [...buttons.filter(Boolean).map(as("button_reply")), ...rows.map(as("list_reply"))];
  }
  if (message.type === "template") {
    return (content.components || [])
      .filter(part => part.type === "button" && part.sub_type === "quick_reply")
      .map(part => part.parameters?.[0]?.payload)
      .filter(Boolean)
      .map(payload => ({ label: payload, message: { type: "button", button: { payload, text: payload } } }));
  }
  return [];
}

function pick(from, ...names) {
  return Object.fromEntries(names.filter(name => from[name] !== undefined).map(name => [name, from[name]]));
}

function link(message) {
  const url = message.content?.link || message.content?.action?.parameters?.url;
  if (typeof url !== "string" || !/^https?:\/\//i.test(url)) return "";
  const made = element("a", ` ${url}`);
  made.href = url;
  made.rel = "noreferrer noopener";
  made.target = "_blank";
  return made;
}
