import { runtimeSuite } from "./adapter_suite.ts";

runtimeSuite("bun", 1);
