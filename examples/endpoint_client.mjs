// The official JavaScript client of OpenAI against `reflectree serve`, unchanged.
//
//     reflectree serve --model openai/gpt-5-mini &      # or any other model; without --model the embedded one
//     npm install openai
//     node endpoint_client.mjs [--url http://127.0.0.1:8000/v1] [--model best-of-n] [question]
//
// The key, where the server wants one, is read from REFLECTREE_KEY.

import OpenAI from "openai";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8000/v1" },
    model: { type: "string", default: "self-consistency" },
    "max-calls": { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
if (values.help) {
  console.log("node endpoint_client.mjs [--url URL] [--model BLUEPRINT[/POLICY]] [--max-calls N] [question]");
  process.exit(0);
}
const question =
  positionals[0] ?? "Three boxes hold 12 eggs each. Four eggs are broken. How many are whole?";

const client = new OpenAI({ baseURL: values.url, apiKey: process.env.REFLECTREE_KEY ?? "none" });
const stream = await client.chat.completions.create(
  {
    model: values.model,
    messages: [{ role: "user", content: question }],
    stream: true,
    stream_options: { include_usage: true },
  },
  { headers: { "X-Reflectree-Max-Calls": values["max-calls"] } },
);

let answer = "";
for await (const chunk of stream) {
  const delta = chunk.choices[0]?.delta;
  if (delta?.reasoning_content) console.log(`  ${delta.reasoning_content.trim().replaceAll("\n", "\n  ")}`);
  answer += delta?.content ?? "";
  if (chunk.usage) {
    const { prompt_tokens: read, completion_tokens: written } = chunk.usage;
    console.log(`answer: ${answer}`);
    console.log(`bill: ${read} prompt and ${written} written tokens`);
  }
}
