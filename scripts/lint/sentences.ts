/// <reference lib="deno.unstable" />

/**
 * A lint plugin for sentences that strangers read: comments and errors.
 *
 * @module
 */

/** Words that leave open what a comment is about. */
const HEADLESS = ["It", "Is", "Has", "Who", "Those", "As"];

/** The first word of a doc comment, if the comment is one. */
function firstWord(comment: string): string | undefined {
  return /^\*[\s*]*(\w+)/.exec(comment)?.[1];
}

/** What an expression has at its start, as far as that is known. */
function startOf(node: Deno.lint.Node | null | undefined): string | undefined {
  switch (node?.type) {
    case "Literal":
      return typeof node.value === "string" ? node.value : undefined;
    case "TemplateLiteral":
      return node.quasis[0].cooked || undefined;
    case "BinaryExpression":
      return startOf(node.left as Deno.lint.Node);
  }
}

/** A code for programs, such as `QUEUE_FULL`, which comes before the message. */
const CODE = /^[A-Z_]+$/;

const plugin: Deno.lint.Plugin = {
  name: "sentences",
  rules: {
    "subject": {
      create: (context) => ({
        Program() {
          for (const comment of context.sourceCode.getAllComments()) {
            const word = comment.type === "Block" && firstWord(comment.value);
            if (!word || !HEADLESS.includes(word)) continue;
            context.report({
              range: comment.range,
              message: `Cannot start a doc comment with "${word}"`,
              hint: "Say what the thing is or does, and name it",
            });
          }
        },
      }),
    },
    // For the library alone: scripts and pages may fail in their own words.
    "cannot": {
      create: (context) =>
        !/(?:^|\/)src\/.*\.ts$/.test(context.filename) ? {} : ({
          NewExpression(node) {
            const { callee } = node;
            if (callee.type !== "Identifier") return;
            if (!/(?:Error|Exception)$/.test(callee.name)) return;
            const message = node.arguments.map(startOf)
              .find((start) => start !== undefined && !CODE.test(start));
            // A reason is part of another error's sentence: "Cannot … as …".
            if (message === undefined || /^(?:Cannot\b|[a-z])/.test(message)) {
              return;
            }
            context.report({
              node,
              message: 'The message of an error starts with "Cannot"',
              hint: "Say what could not be done, as what, and what to do: " +
                `"Cannot … as …: …"`,
            });
          },
        }),
    },
  },
};

export default plugin;
