// Says something by the event streaming of LangChain's JS SDK and prints, as lines of JSON, each piece of each message with its id.
// Arguments: the folder with node_modules, the server's address, what to say.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, text] = process.argv.slice(2);
const { Client } = createRequire(pathToFileURL(`${folder}/`))("@langchain/langgraph-sdk");
const thread = new Client({ apiUrl: url }).threads.stream({ assistantId: "memgpt" });
await thread.run.start({ input: { messages: [{ role: "user", content: text }] } });
for await (const message of thread.messages) {
  for await (const piece of message.text) console.log(JSON.stringify([message.messageId ?? message.id, piece]));
}
const { messages } = await thread.output;
console.log(JSON.stringify([messages.at(-1).id, messages.at(-1).content]));
process.exit(0);
