// Chats by React's useStream of LangChain's JS SDK and prints, as lines of JSON, what Agent Chat UI would show, as it changes:
// messages whose id does not begin with do-not-render-, each text, and a card for each tool call and each tool's result.
// Arguments: the folder with node_modules, the server's address, the graph, what to say, one argument a message.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, assistantId, ...texts] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/`));
const { JSDOM } = require("jsdom");
globalThis.window = new JSDOM("<div id='root'></div>").window;
globalThis.document = window.document;
globalThis.navigator ??= window.navigator;
const { createElement, useEffect } = require("react");
const { createRoot } = require("react-dom/client");
const { useStream } = require("@langchain/langgraph-sdk/react");

const cards = (message) => (message.tool_calls ?? []).map((call) => `card: ${call.name}`);
const lines = (message) => (message.type === "tool" ? [`card: result of ${message.name}`] : [message.content, ...cards(message)]);
let last = "";
let said = 0;

function Chat() {
  const stream = useStream({ apiUrl: url, assistantId, messagesKey: "messages" });
  const shown = stream.messages.filter((m) => !m.id?.startsWith("do-not-render-")).flatMap(lines).filter(Boolean);
  useEffect(() => {
    if (JSON.stringify(shown) !== last) console.log((last = JSON.stringify(shown)));
    if (stream.error) throw stream.error;
    if (stream.isLoading) return;
    const waiting = stream.interrupt?.value?.action_requests?.length ?? 0;
    if (said === texts.length) return void (console.log(JSON.stringify({ shown, waiting })), process.exit(0));
    const messages = [{ type: "human", content: texts[said++] }];
    stream.submit({ messages }, { streamMode: ["values"], optimisticValues: (before) => ({ ...before, messages: [...(before.messages ?? []), ...messages] }) });
  });
  return null;
}
createRoot(document.getElementById("root")).render(createElement(Chat));
