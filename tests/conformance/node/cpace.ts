/** Prints what differs from the draft's vectors of CPace. */

import { checkVectors } from "../../support/cpace_checks.ts";

// deno-lint-ignore no-console -- it is what the test reads
console.log(JSON.stringify(await checkVectors()));
