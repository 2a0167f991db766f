import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// Without a flag on the command line, this is where the collector can be had.
setFlagsFromString("--expose-gc");

/** Lets go at once of everything that nothing refers to. */
export const collectGarbage: () => void = runInNewContext("gc");
