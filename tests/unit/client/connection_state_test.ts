import { assertEquals } from "@std/assert";
import {
  type ConnectionState,
  mayEnter,
} from "../../../src/client/connection_state.ts";

const STATES: readonly ConnectionState[] = [
  "idle",
  "connecting",
  "waiting",
  "connected",
  "reconnecting",
  "closed",
];

Deno.test("mayEnter() lets nothing follow the end of a conversation", () => {
  for (const state of STATES) assertEquals(mayEnter("closed", state), false);
});

Deno.test("mayEnter() lets every other state be closed, and none follow itself", () => {
  for (const state of STATES) {
    assertEquals(mayEnter(state, "closed"), state !== "closed");
    assertEquals(mayEnter(state, state), false);
  }
});

Deno.test("mayEnter() lets a peer connect only after it began to", () => {
  assertEquals(mayEnter("idle", "connected"), false);
  assertEquals(mayEnter("idle", "waiting"), false);
  assertEquals(mayEnter("connected", "connecting"), false);
  assertEquals(mayEnter("connected", "idle"), false);
});
