import { runtimeSuite } from "./adapter_suite.ts";

runtimeSuite("node", 20);
