import { assertEquals } from "@std/assert";
import { systemRuntime } from "../../src/runtime.ts";

/** Puts something in the place of a global, or of a part of one. */
function replaced(target: object, name: string, value: unknown): Disposable {
  const before = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, configurable: true });
  return {
    [Symbol.dispose]() {
      if (before) Object.defineProperty(target, name, before);
      else Reflect.deleteProperty(target, name);
    },
  };
}

class Page extends EventTarget {
  hidden = false;
}

Deno.test("Runtime.onWake() of the platform tells of networks, and of pages that are seen again or go on", () => {
  const page = new Page();
  const connection = new EventTarget();
  using _document = replaced(globalThis, "document", page);
  using _connection = replaced(navigator, "connection", connection);
  let calls = 0;
  const cancel = systemRuntime().onWake(() => calls++);
  const count = (target: EventTarget, type: string) => {
    calls = 0;
    target.dispatchEvent(new Event(type));
    return calls;
  };
  const all = () => [
    count(globalThis as unknown as EventTarget, "online"),
    count(page, "visibilitychange"),
    count(page, "resume"),
    count(connection, "change"),
  ];
  assertEquals(all(), [1, 1, 1, 1]);
  page.hidden = true;
  assertEquals(all(), [1, 0, 1, 1]);
  page.hidden = false;
  cancel();
  assertEquals(all(), [0, 0, 0, 0]);
});

Deno.test("Runtime.onWake() of the platform is silent where nobody can listen", () => {
  using _add = replaced(globalThis, "addEventListener", undefined);
  using _remove = replaced(globalThis, "removeEventListener", undefined);
  systemRuntime().onWake(() => {})();
});

Deno.test("Runtime.pageUrl of the platform is the page's origin where its own address says nothing", () => {
  const addressed = (location: unknown, origin: unknown) => {
    using _location = replaced(globalThis, "location", location);
    using _origin = replaced(globalThis, "origin", origin);
    return systemRuntime().pageUrl;
  };
  const origin = "http://localhost:3000";
  const page = `${origin}/page?query`;
  assertEquals(addressed({ href: page }, origin), page);
  // A worker made of a Blob, and a `srcdoc` frame.
  assertEquals(addressed({ href: `blob:${origin}/1234` }, origin), origin);
  assertEquals(addressed({ href: "about:srcdoc" }, origin), origin);
  assertEquals(addressed(undefined, undefined), undefined);
});
