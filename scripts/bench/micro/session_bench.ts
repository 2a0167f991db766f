/** Messages from one session to another, with no network between them. */

import { encodeMessage } from "../../../src/protocol/message.ts";
import { SessionPair } from "../session_pair.ts";

const MESSAGES = {
  "text of 64 B": "x".repeat(64),
  "bytes of 64 B": new Uint8Array(64),
  "JSON of 64 B": { text: "x".repeat(53) },
};

for (const [name, message] of Object.entries(MESSAGES)) {
  const pair = new SessionPair();
  Deno.bench(`Session, 1000 messages, ${name}`, () => {
    for (let i = 0; i < 1000; i++) pair.queue(encodeMessage(message), 1);
    pair.carry();
  });
}

for (const bytes of [2 ** 16, 2 ** 20]) {
  const pair = new SessionPair();
  const message = encodeMessage(new Uint8Array(bytes));
  const count = 2 ** 20 / bytes;
  Deno.bench(`Session, 1 MiB in messages of ${bytes / 1024} KiB`, () => {
    pair.queue(message, count);
    pair.carry();
  });
}
