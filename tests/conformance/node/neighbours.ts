/** Prints what is wrong beside other servers of WebSockets. */

import { exit, stdout } from "node:process";
import { neighbourFaults } from "../../support/neighbours.ts";

stdout.write((await neighbourFaults()).join("\n"), () => exit());
