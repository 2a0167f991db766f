import { findFile } from "./find_file.ts";

/** How to start a browser. */
export interface BrowserChoice {
  executablePath: string;
  /** What the browser needs in its environment, beside what is there. */
  env: Record<string, string>;
}

/** What Chrome and Chromium are called on the `PATH`. */
const CHROMIUM_NAMES = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
  "chrome.exe",
];

/**
 * Where Chrome and Chromium are put on macOS and Windows, which is not on the
 * `PATH`.
 */
const CHROMIUM_PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
];

/** What Firefox is called on the `PATH`: Debian has it by another name. */
const FIREFOX_NAMES = ["firefox", "firefox-esr", "firefox.exe"];

/** Where Firefox is put on macOS and Windows. */
const FIREFOX_PLACES = [
  "/Applications/Firefox.app/Contents/MacOS/firefox",
  "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
  "C:\\Program Files (x86)\\Mozilla Firefox\\firefox.exe",
];

/**
 * Finds Chromium: the one that `PUPPETEER_EXECUTABLE_PATH` names, else one
 * that the machine has, else the one inside npm's `@sparticuz/chromium`.
 */
export async function findBrowser(): Promise<BrowserChoice> {
  const chosen = Deno.env.get("PUPPETEER_EXECUTABLE_PATH");
  if (chosen) return { executablePath: chosen, env: {} };

  const executablePath = await findFile(CHROMIUM_NAMES, CHROMIUM_PLACES);
  return executablePath ? { executablePath, env: {} } : await unpackBrowser();
}

/**
 * Finds Firefox: the one that `FIREFOX_EXECUTABLE_PATH` names, else one that
 * the machine has, else none.
 */
export async function findFirefox(): Promise<string | undefined> {
  return Deno.env.get("FIREFOX_EXECUTABLE_PATH") ||
    await findFile(FIREFOX_NAMES, FIREFOX_PLACES);
}

/**
 * Unpacks npm's browser. It is 70 MB that most machines never need, so it is
 * neither in deno.json nor in deno.lock, which `deno task` downloads whole:
 * another process, which has neither, fetches it.
 */
async function unpackBrowser(): Promise<BrowserChoice> {
  const script = `
    import chromium from "npm:@sparticuz/chromium@153.0.0";
    const executablePath = await chromium.executablePath();
    const { LD_LIBRARY_PATH, FONTCONFIG_PATH } = process.env;
    const env = { LD_LIBRARY_PATH, FONTCONFIG_PATH };
    console.log(JSON.stringify({ executablePath, env }));
  `;
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", "--quiet", script],
    // Has it unpack the system libraries that it needs, too.
    env: { AWS_LAMBDA_JS_RUNTIME: "nodejs24.x" },
    stderr: "inherit",
  }).output();
  if (!success) {
    throw new Error(
      "Cannot find a browser: install Chrome or Chromium, " +
        "or set PUPPETEER_EXECUTABLE_PATH",
    );
  }
  return JSON.parse(new TextDecoder().decode(stdout));
}
