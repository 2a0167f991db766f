export { seededRandom } from "../../testing.ts";
