/**
 * The modules that users import, as `exports` of deno.json has them: scripts
 * take them from here, so that a new one stands in one place.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** The entry modules, as paths from the project's folder. */
export const ENTRIES: readonly string[] = Object.values(config.exports)
  .map((path) => path.replace(/^\.\//, ""));
