// Says something by LangChain's JS SDK and prints, as lines of JSON, what useStream would show of each reply, as it changes.
// Arguments: the folder with node_modules, the server's address, the agent's id, what to say.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, url, agentId, text] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${folder}/`));
const load = (name) => import(pathToFileURL(require.resolve(name)).href.replace(/\.cjs$/, ".js"));
const { Client } = await load("@langchain/langgraph-sdk");
const { MessageTupleManager } = await load("@langchain/langgraph-sdk/ui");

const client = new Client({ apiUrl: url });
const { thread_id } = await client.threads.create();
const given = { input: { messages: [{ role: "user", content: text }] }, context: { agent_id: agentId }, streamMode: ["messages-tuple"] };
const manager = new MessageTupleManager();
let last = "";
for await (const { event, data } of client.runs.stream(thread_id, "memgpt", given)) {
  if (event !== "messages") continue;
  manager.add(data[0], data[1]);
  const shown = Object.entries(manager.chunks)
    .filter(([, { chunk }]) => chunk.getType() === "ai" && chunk.content)
    .map(([id, { chunk }]) => [id, chunk.content]);
  if (JSON.stringify(shown) !== last) console.log((last = JSON.stringify(shown)));
}
const { values } = await client.threads.getState(thread_id);
const reply = values.messages.at(-1);
console.log(JSON.stringify({ id: reply.id, content: reply.content }));
