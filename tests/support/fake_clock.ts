export { VirtualClock as FakeClock } from "../../testing.ts";
